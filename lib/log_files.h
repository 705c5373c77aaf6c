/* SPDX-License-Identifier: MIT
 *
 * log_files.h - where what services write goes, and who may touch it.
 *
 *   LOG_SPOOL_DIR/NAME        PID 1 opens it (O_APPEND) as a service's stdout and stderr. A write to it neither
 *                             blocks nor raises a signal, whoever reads; a full spool is ENOSPC for the
 *                             writer. keel-log frees what it has taken by punching holes: the size only
 *                             grows.
 *   LOG_DIR/NAME.log, .log.1  keel-log's: lines with their times (agent/common/log_line.h), bounded, rotated.
 *                             Everybody may read them.
 *
 * NAME is the unit's name with ".service".
 */
#pragma once

#define LOG_SPOOL_DIR "/run/keel/spool"
#define LOG_DIR       "/run/keel/log"

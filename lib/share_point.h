/* SPDX-License-Identifier: MIT
 *
 * share_point.h - where keel-share publishes, and PID 1 withdraws what keel-share could not.
 */
#pragma once

#define SHARE_TOP   "/mnt/wsl"
#define SHARE_HOME  SHARE_TOP "/keel"
#define SHARE_POINT SHARE_HOME "/run"

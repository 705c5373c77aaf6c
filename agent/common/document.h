/* SPDX-License-Identifier: MIT
 *
 * document.h - facts as JSON: the health document, schema 1 (docs/api.md), and what is made of it.
 *
 * Memory: everything is built in one static pool; the text returned lives in it until the next
 * call of any function here. Output is one line without a newline in it. NULL means that it did not fit.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/health.h"
#include "agent/common/system.h"
#include "lib/base.h"

#define DOCUMENT_SCHEMA 1

/* The health document. */
const char *document_write_health(const struct facts *facts, const struct health *health,
	const struct system_facts *system, size_t *len);
/* {"services":[…]} */
const char *document_write_services(const struct facts *facts, size_t *len);
/* The document's member "disk" alone. */
const char *document_write_disk(const struct facts *facts, size_t *len);
/* The document's member "memory" alone, with the history. */
const char *document_write_memory(const struct facts *facts, const struct system_facts *system,
	size_t *len);
/* The document's member "clock" alone, with "realtime_us", which is exact. */
const char *document_write_clock(const struct facts *facts, uint64_t realtime_us,
	uint64_t boottime_us, size_t *len);

/* The lines of the report to the host, without their newline. */
const char *document_write_report_hello(const struct facts *facts,
	const struct system_facts *system, size_t *len);
const char *document_write_report_health(const struct facts *facts, const struct health *health,
	const struct system_facts *system, size_t *len);
const char *document_write_report_heartbeat(const struct health *health, uint64_t uptime_us,
	size_t *len);

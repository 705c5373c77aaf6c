/* SPDX-License-Identifier: MIT
 *
 * journalctl.c - keelctl under the name journalctl: the habits of systemd's journalctl(1) over keel's logs, which
 * are those of this boot. Reads the files and /dev/kmsg itself: it works when the agent does not.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/kmsg.h"
#include "agent/ctl/log_time.h"
#include "agent/ctl/logs.h"
#include "lib/clock.h"

#define UNITS_MAX    32
#define FOLLOW_LINES 10
#define END_LINES    1000
#define KMSG         "/dev/kmsg"

static const char usage[] =
	"usage: journalctl [OPTION]...\n"
	"keel's journalctl: the logs of the services of this boot, and of the kernel.\n"
	"\n"
	"  -u, --unit UNIT       only that service's; may be given several times\n"
	"  -k, --dmesg           the kernel's log instead\n"
	"  -n, --lines [N|all]   the last N lines (10)\n"
	"  -f, --follow          go on as lines come\n"
	"  -e, --pager-end       the end: the last 1000 lines\n"
	"  -o, --output FORMAT   short, short-iso, short-monotonic, cat, stored\n"
	"  -S, --since TIME      \"2026-01-31 17:00\", 17:00, today, -5min, @SECONDS\n"
	"  -U, --until TIME\n"
	"  -p, --priority LEVEL  with -k: up to that level (0-7, emerg to debug)\n"
	"  -b, --no-pager, -a, -l, -q, -x, --no-hostname   accepted\n"
	"  --version, -h, --help\n";

struct journalctl {
	struct logs_request request;
	bool kernel, quiet, end, lines_given;
	unsigned int level;
	char names[UNITS_MAX][LOG_NAME_MAX];
};

enum journalctl_option {
	JOURNALCTL_OPTION_NO_PAGER = 256,
	JOURNALCTL_OPTION_NO_HOSTNAME,
	JOURNALCTL_OPTION_VERSION,
};

static const char short_options[] = "u:kn::feo:S:U:p:b::alqxh";
static const struct option long_options[] = {
	{"unit", required_argument, NULL, 'u'},
	{"dmesg", no_argument, NULL, 'k'},
	{"lines", optional_argument, NULL, 'n'},
	{"follow", no_argument, NULL, 'f'},
	{"pager-end", no_argument, NULL, 'e'},
	{"output", required_argument, NULL, 'o'},
	{"since", required_argument, NULL, 'S'},
	{"until", required_argument, NULL, 'U'},
	{"priority", required_argument, NULL, 'p'},
	{"boot", optional_argument, NULL, 'b'},
	{"all", no_argument, NULL, 'a'},
	{"full", no_argument, NULL, 'l'},
	{"quiet", no_argument, NULL, 'q'},
	{"catalog", no_argument, NULL, 'x'},
	{"no-pager", no_argument, NULL, JOURNALCTL_OPTION_NO_PAGER},
	{"no-hostname", no_argument, NULL, JOURNALCTL_OPTION_NO_HOSTNAME},
	{"version", no_argument, NULL, JOURNALCTL_OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static uint64_t wall_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static int refuse(const char *option, const char *value, const char *why)
{
	(void)fprintf(stderr, "journalctl: %s%s%s: %s\n", option, value[0] ? " " : "", value, why);
	return 1;
}

/* ---- options; each returns -1 to go on, else the exit status ------------------------------------ */

static int add_unit(struct journalctl *journal, const char *name)
{
	if (journal->request.count == UNITS_MAX)
		return refuse("-u", name, "too many units");
	if (log_name_complete(name, strlen(name), journal->names[journal->request.count]) < 0)
		return refuse("-u", name, "not the name of a service");
	journal->request.count++;
	return -1;
}

/* As systemd's: the number may be attached, be the next word, or be missing. */
static int take_lines(struct journalctl *journal, int argc, char **argv)
{
	const char *text = optarg;

	journal->lines_given = true;
	journal->request.lines = FOLLOW_LINES;
	if (!text && optind < argc && logs_parse_lines(argv[optind], &journal->request.lines) == 0)
		optind++;
	else if (text && logs_parse_lines(text, &journal->request.lines) < 0)
		return refuse("-n", text, "not a number of lines");
	return -1;
}

static int take_boot(int argc, char **argv)
{
	const char *id = optarg;

	if (!id && optind < argc && argv[optind][0] != '\0' &&
		strspn(argv[optind], "-0123456789") == strlen(argv[optind]) &&
		strpbrk(argv[optind], "0123456789"))
		id = argv[optind++];
	if (id && strcmp(id, "0") != 0 && strcmp(id, "-0") != 0)
		return refuse("-b", id, "only the logs of this boot are kept");
	return -1;
}

static int take_level(struct journalctl *journal, const char *text)
{
	static const char *const words[] = {
		"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0 || (text[0] == (char)('0' + i) && !text[1])) {
			journal->level = i;
			return -1;
		}
	}
	return refuse("-p", text, "not a level: 0 to 7, emerg to debug");
}

static int take_time(const char *option, const char *text, uint64_t *us)
{
	if (log_time_parse(text, wall_now_us(), us) < 0)
		return refuse(option, text, "not a time; see --help");
	return -1;
}

static int take_option(struct journalctl *journal, int option, int argc, char **argv)
{
	switch (option) {
	case 'u':
		return add_unit(journal, optarg);
	case 'k':
		journal->kernel = true;
		return -1;
	case 'n':
		return take_lines(journal, argc, argv);
	case 'f':
		journal->request.follow = true;
		return -1;
	case 'e':
		journal->end = true;
		return -1;
	case 'o':
		if (log_format_parse(optarg, &journal->request.format) < 0)
			return refuse("-o", optarg, "not a format that keel has; see --help");
		return -1;
	case 'S':
		return take_time("--since", optarg, &journal->request.since_us);
	case 'U':
		return take_time("--until", optarg, &journal->request.until_us);
	case 'p':
		return take_level(journal, optarg);
	case 'b':
		return take_boot(argc, argv);
	case 'q':
		journal->quiet = true;
		return -1;
	case 'a':
	case 'l':
	case 'x':
	case JOURNALCTL_OPTION_NO_PAGER:
	case JOURNALCTL_OPTION_NO_HOSTNAME:
		return -1;
	case 'h':
		(void)fputs(usage, stdout);
		return 0;
	case JOURNALCTL_OPTION_VERSION:
		(void)puts("keel " KEEL_VERSION);
		return 0;
	default:
		(void)fputs("journalctl: keel's journalctl has the options of journalctl --help\n",
			stderr);
		return 1;
	}
}

static int parse_options(struct journalctl *journal, int argc, char **argv)
{
	int option, rc;

	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		rc = take_option(journal, option, argc, argv);
		if (rc >= 0)
			return rc;
	}
	if (optind < argc)
		return refuse(argv[optind], "", "matches by field are not known; use -u UNIT");
	if (journal->level != LOG_DEBUG && !journal->kernel)
		return refuse("-p", "", "services' lines have no priority; it works with -k");
	if (!journal->lines_given)
		journal->request.lines = journal->request.follow ? FOLLOW_LINES
					 : journal->end          ? END_LINES
								 : LOGS_ALL;
	return -1;
}

/* ---- the kernel's log ---------------------------------------------------------------------------- */

static void take_record(const struct journalctl *journal, const char *data, size_t len,
	struct log_print *print, struct log_tail *tail)
{
	const struct logs_request *request = &journal->request;
	struct kmsg_record record;
	struct log_line line;

	if (kmsg_parse(data, len, &record) < 0 || record.level > journal->level)
		return;
	line = (struct log_line){
		.boot_us = record.boot_us,
		.wall_us = wall_now_us() - clock_now_us() + record.boot_us,
		.text = record.text,
		.len = record.len,
	};
	if (line.wall_us < request->since_us ||
		(request->until_us != 0 && line.wall_us > request->until_us))
		return;
	if (tail)
		log_tail_add(tail, "kernel", &line);
	else
		log_print_line(print, "kernel", &line);
}

/* All records that are there. 0 or -errno. */
static int read_records(const struct journalctl *journal, int fd, struct log_print *print,
	struct log_tail *tail)
{
	char data[KMSG_RECORD_MAX];

	for (;;) {
		ssize_t n = read(fd, data, sizeof(data));

		if (n > 0)
			take_record(journal, data, (size_t)n, print, tail);
		/* EPIPE: records were overwritten before they were read; the next one is there. */
		else if (n == 0 || errno == EAGAIN)
			return 0;
		else if (errno != EPIPE && errno != EINTR)
			return -errno;
	}
}

static int follow_records(const struct journalctl *journal, int fd, struct log_print *print)
{
	for (;;) {
		struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
		int rc;

		if (fflush(stdout) != 0)
			return 0;
		if (poll(wait, ARRAY_SIZE(wait), -1) < 0 && errno != EINTR)
			return -errno;
		if (wait[1].revents & (POLLERR | POLLNVAL))
			return 0;
		rc = read_records(journal, fd, print, NULL);
		if (rc < 0)
			return rc;
	}
}

static int show_kernel(const struct journalctl *journal)
{
	_cleanup_close_ int fd = open(KMSG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct log_tail *tail = NULL;
	struct log_print print;
	int rc;

	log_print_init(&print, stdout, journal->request.format);
	if (journal->request.lines != LOGS_ALL)
		tail = log_tail_new(journal->request.lines);
	rc = fd < 0 ? -errno : read_records(journal, fd, &print, tail);
	if (tail)
		log_tail_print(tail, &print);
	if (rc == 0 && journal->request.follow)
		rc = follow_records(journal, fd, &print);
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "journalctl: %s: %s\n", KMSG, strerror(-rc));
	return 1;
}

int journalctl_run(int argc, char **argv)
{
	static struct journalctl journal;
	ssize_t n;
	int rc;

	journal.level = LOG_DEBUG;
	journal.request.names = (const char(*)[LOG_NAME_MAX])journal.names;
	journal.request.format = LOG_FORMAT_SHORT;
	rc = parse_options(&journal, argc, argv);
	if (rc >= 0)
		return rc;
	logs_default_signals();
	if (journal.kernel)
		return show_kernel(&journal);
	n = logs_show(&journal.request);
	if ((n == 0 || n == -ENOENT) && !journal.quiet)
		(void)puts("-- No entries --");
	if (n >= 0 || n == -ENOENT || n == -EPIPE)
		return 0;
	(void)fprintf(stderr, "journalctl: %s\n", strerror((int)-n));
	return 1;
}

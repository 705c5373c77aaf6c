/* SPDX-License-Identifier: MIT
 *
 * dns_forward.c - see dns_forward.h. Caller: main.c.
 */
#include "agent/dns/dns_forward.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"

#define HEADER         12                  /* RFC 1035, 4.1.1 */
#define MESSAGE_MAX    65535               /* of UDP */
#define SERVER_US      (2 * USEC_PER_SEC)  /* until the next resolver is asked */
#define STREAM_US      (60 * USEC_PER_SEC) /* of a connection */
#define IDLE_US        (5 * USEC_PER_SEC)  /* of one on which nothing comes */
#define QUERIES_A_TURN 32
#define ROUNDS         2
#define FLAG_ANSWER    0x80 /* of the third byte */
#define RCODE_MASK     0x0f /* of the fourth */
#define RCODE_SERVFAIL 2

static uint8_t message[MESSAGE_MAX];

/* ---- who may ask ---------------------------------------------------------------------------------- */

static bool from_containers(int index)
{
	char name[IF_NAMESIZE], path[64];

	if (index <= 0 || !if_indextoname((unsigned int)index, name))
		return false;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	return strcmp(name, "lo") == 0 || access(path, F_OK) == 0;
}

/* Of a received message or, for a connection, of its handshake (ip(7), IP_PKTINFO). */
static int incoming_interface(struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		struct in_pktinfo info;

		if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(part), sizeof(info));
		return info.ipi_ifindex;
	}
	return 0;
}

static int stream_interface(int fd)
{
	_Alignas(struct cmsghdr) char control[128];
	socklen_t len = sizeof(control);
	struct msghdr header = {.msg_control = control};

	if (getsockopt(fd, IPPROTO_IP, IP_PKTOPTIONS, control, &len) < 0)
		return 0;
	header.msg_controllen = len;
	return incoming_interface(&header);
}

/* ---- resolvers ------------------------------------------------------------------------------------ */

/* A socket that is connected or, for a stream, connecting. fd or -errno. */
static int ask_server(const struct resolv_server *server, int type)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons(RESOLV_FORWARD_PORT),
		.sin_addr = server->v4};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(RESOLV_FORWARD_PORT),
		.sin6_addr = server->v6,
		.sin6_scope_id = server->scope[0] ? if_nametoindex(server->scope) : 0};
	bool is_v4 = server->family == AF_INET;
	_cleanup_close_ int fd = socket(server->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		    is_v4 ? sizeof(v4) : sizeof(v6)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

/* ---- UDP ------------------------------------------------------------------------------------------ */

static void close_source(struct loop *loop, struct loop_source *source)
{
	int fd = source->fd;

	loop_remove(loop, source);
	close_p(&fd);
}

static void end_query(struct dns_query *query)
{
	loop_timer_cancel(query->forward->loop, &query->patience);
	close_source(query->forward->loop, &query->answer);
	query->forward->query_slots[query - query->forward->queries].used = false;
}

/* What cannot be sent is lost, as UDP may be. */
static void tell_client(const struct dns_query *query, const void *data, size_t len)
{
	(void)!sendto(query->forward->udp.fd, data, len, MSG_DONTWAIT,
		(const struct sockaddr *)&query->client, sizeof(query->client));
}

static void ask_next(struct dns_query *query);

static void on_answer(struct loop_source *source, uint32_t events)
{
	struct dns_query *query = source->ctx;
	ssize_t len = recv(source->fd, message, sizeof(message), MSG_DONTWAIT);

	(void)events;
	if (len < 0 && errno == EAGAIN)
		return;
	if (len < 0) { /* ICMP says that nobody is there */
		ask_next(query);
		return;
	}
	if (len < HEADER || memcmp(message, query->data, 2) != 0)
		return;
	tell_client(query, message, (size_t)len);
	end_query(query);
}

static void on_silence(struct loop_timer *timer)
{
	ask_next(timer->ctx);
}

/* The query itself, as an answer that says: no resolver told us. */
static void give_up(struct dns_query *query)
{
	query->data[2] |= FLAG_ANSWER;
	query->data[3] = (uint8_t)((query->data[3] & ~RCODE_MASK) | RCODE_SERVFAIL);
	tell_client(query, query->data, query->len);
	end_query(query);
}

static void ask_next(struct dns_query *query)
{
	struct dns_forward *forward = query->forward;

	close_source(forward->loop, &query->answer);
	while (query->next < forward->conf.count * ROUNDS) {
		const struct resolv_server *server =
			&forward->conf.servers[query->next++ % forward->conf.count];
		int fd = ask_server(server, SOCK_DGRAM);

		if (fd < 0)
			continue;
		if (send(fd, query->data, query->len, MSG_DONTWAIT) < 0 ||
			loop_add(forward->loop, &query->answer, fd, EPOLLIN, on_answer, query) <
				0) {
			close_p(&fd);
			continue;
		}
		loop_timer_set(forward->loop, &query->patience, clock_now_us() + SERVER_US,
			on_silence, query);
		return;
	}
	give_up(query);
}

static struct dns_slot new_slot(struct dns_forward *forward, const struct sockaddr_in *client)
{
	return (struct dns_slot){
		.used = true, .client = client->sin_addr.s_addr, .number = forward->number++};
}

static struct dns_query *make_room(struct dns_forward *forward, const struct sockaddr_in *client)
{
	size_t at = dns_slot_choose(forward->query_slots, DNS_QUERIES_MAX, client->sin_addr.s_addr,
		DNS_QUERIES_OF_ONE);

	end_query(&forward->queries[at]);
	forward->query_slots[at] = new_slot(forward, client);
	return &forward->queries[at];
}

/* False: nothing more is there. */
static bool take_query(struct dns_forward *forward)
{
	_Alignas(struct cmsghdr) char control[128];
	struct sockaddr_in client;
	struct iovec data = {message, sizeof(message)};
	struct msghdr header = {.msg_name = &client,
		.msg_namelen = sizeof(client),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(forward->udp.fd, &header, MSG_DONTWAIT);
	struct dns_query *query;

	if (len < 0)
		return errno != EAGAIN;
	if (len < HEADER || len > DNS_QUERY_BYTES || (message[2] & FLAG_ANSWER) != 0 ||
		!from_containers(incoming_interface(&header)))
		return true;
	query = make_room(forward, &client);
	query->client = client;
	query->next = 0;
	query->len = (size_t)len;
	memcpy(query->data, message, query->len);
	ask_next(query);
	return true;
}

static void on_udp(struct loop_source *source, uint32_t events)
{
	(void)events;
	for (int i = 0; i < QUERIES_A_TURN && take_query(source->ctx); i++)
		;
}

/* ---- TCP ------------------------------------------------------------------------------------------ */

static void end_stream(struct dns_stream *stream)
{
	struct loop *loop = stream->forward->loop;

	if (!stream->used)
		return;
	loop_timer_cancel(loop, &stream->patience);
	close_source(loop, &stream->connecting);
	close_p(&stream->client_fd);
	if (stream->relaying)
		relay_abort(&stream->relay);
	stream->used = stream->relaying = false;
	stream->forward->stream_slots[stream - stream->forward->streams].used = false;
}

static void on_stream_done(void *ctx)
{
	struct dns_stream *stream = ctx;

	stream->relaying = false;
	end_stream(stream);
}

static void on_stream_time(struct loop_timer *timer)
{
	struct dns_stream *stream = timer->ctx;
	uint64_t bytes = stream->relay.bytes[0] + stream->relay.bytes[1], now_us = clock_now_us();

	if (bytes == stream->bytes || now_us >= stream->end_us) {
		end_stream(stream);
		return;
	}
	stream->bytes = bytes;
	loop_timer_set(stream->forward->loop, timer, now_us + IDLE_US, on_stream_time, stream);
}

static void connect_next(struct dns_stream *stream);

static void on_no_connection(struct loop_timer *timer)
{
	connect_next(timer->ctx);
}

static void on_connected(struct loop_source *source, uint32_t events)
{
	struct dns_stream *stream = source->ctx;
	int fd = source->fd, error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		connect_next(stream);
		return;
	}
	loop_remove(stream->forward->loop, source);
	stream->relaying = relay_start(&stream->relay, stream->forward->loop,
				   TAKE_FD(stream->client_fd), fd, on_stream_done, stream) == 0;
	if (!stream->relaying) {
		end_stream(stream);
		return;
	}
	stream->end_us = clock_now_us() + STREAM_US;
	loop_timer_set(stream->forward->loop, &stream->patience, clock_now_us() + IDLE_US,
		on_stream_time, stream);
}

static void connect_next(struct dns_stream *stream)
{
	struct dns_forward *forward = stream->forward;

	close_source(forward->loop, &stream->connecting);
	while (stream->next < forward->conf.count) {
		int fd = ask_server(&forward->conf.servers[stream->next++], SOCK_STREAM);

		if (fd >= 0 && loop_add(forward->loop, &stream->connecting, fd, EPOLLOUT,
				       on_connected, stream) == 0) {
			loop_timer_set(forward->loop, &stream->patience, clock_now_us() + SERVER_US,
				on_no_connection, stream);
			return;
		}
		close_p(&fd);
	}
	end_stream(stream);
}

static struct dns_stream *make_stream(struct dns_forward *forward, const struct sockaddr_in *client)
{
	size_t at = dns_slot_choose(forward->stream_slots, DNS_STREAMS_MAX, client->sin_addr.s_addr,
		DNS_STREAMS_OF_ONE);

	end_stream(&forward->streams[at]);
	forward->stream_slots[at] = new_slot(forward, client);
	return &forward->streams[at];
}

static void on_tcp(struct loop_source *source, uint32_t events)
{
	struct dns_forward *forward = source->ctx;
	struct sockaddr_in client = {0};
	socklen_t len = sizeof(client);
	_cleanup_close_ int fd =
		accept4(source->fd, (struct sockaddr *)&client, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct dns_stream *stream;

	(void)events;
	if (fd < 0 || !from_containers(stream_interface(fd)))
		return;
	stream = make_stream(forward, &client);
	*stream = (struct dns_stream){
		.forward = forward, .connecting.fd = -1, .client_fd = TAKE_FD(fd), .used = true};
	connect_next(stream);
}

/* ---- life ----------------------------------------------------------------------------------------- */

void dns_forward_init(struct dns_forward *forward, struct loop *loop)
{
	forward->loop = loop;
	forward->udp.fd = forward->tcp.fd = -1;
	for (size_t i = 0; i < DNS_QUERIES_MAX; i++) {
		forward->queries[i].forward = forward;
		forward->queries[i].answer.fd = -1;
	}
}

/* Bound, and told by which interface each message came. fd or -errno. */
static int open_socket(const char *ip, unsigned int port, int type)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const int on = 1;
	_cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || inet_pton(AF_INET, ip, &address.sin_addr) != 1)
		return fd < 0 ? -errno : -EINVAL;
	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
		(type == SOCK_STREAM &&
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		(type == SOCK_STREAM && listen(fd, DNS_STREAMS_MAX) < 0))
		return -errno;
	return TAKE_FD(fd);
}

static int open_source(struct dns_forward *forward, struct loop_source *source, const char *ip,
	unsigned int port, int type, loop_io_fn *fn)
{
	int fd = open_socket(ip, port, type);
	int rc = fd < 0 ? fd : loop_add(forward->loop, source, fd, EPOLLIN, fn, forward);

	if (rc < 0)
		close_p(&fd);
	return rc;
}

int dns_forward_open(struct dns_forward *forward, const char *ip, unsigned int port)
{
	int rc = open_source(forward, &forward->udp, ip, port, SOCK_DGRAM, on_udp);

	if (rc == 0)
		rc = open_source(forward, &forward->tcp, ip, port, SOCK_STREAM, on_tcp);
	if (rc < 0)
		dns_forward_close(forward);
	return rc;
}

bool dns_forward_is_open(const struct dns_forward *forward)
{
	return forward->tcp.fd >= 0;
}

void dns_forward_close(struct dns_forward *forward)
{
	for (size_t i = 0; i < DNS_QUERIES_MAX; i++)
		end_query(&forward->queries[i]);
	for (size_t i = 0; i < DNS_STREAMS_MAX; i++)
		end_stream(&forward->streams[i]);
	close_source(forward->loop, &forward->udp);
	close_source(forward->loop, &forward->tcp);
}

/* SPDX-License-Identifier: MIT
 *
 * test_control_client.c - the agent's subscription: whole pictures, requests, a lost PID 1, rubbish.
 */
#include <stdlib.h>

#include "tests/unit/fake_init.h"
#include "tests/unit/loop_test.h"

#include "agent/control_client.h"

static struct loop loop;
static struct facts facts;
static struct control_client client;
static unsigned int changes;
static char path[64];
static int listener, server;

static void on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/control");
	memset(&facts, 0, sizeof(facts));
	changes = 0;
	assert_int_equal(loop_init(&loop), 0);
	listener = fake_init_listen(path);
	server = -1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	control_client_stop(&client);
	assert_null(loop.timers);
	close_p(&listener);
	close_p(&server);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	loop_fini(&loop);
	return 0;
}

/* Takes the connection and its request. */
static void expect_request(enum control_verb verb)
{
	struct control_request request;

	if (server < 0)
		server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(recv(server, &request, sizeof(request), 0), sizeof(request));
	assert_true(control_request_valid(&request, sizeof(request)));
	assert_int_equal(request.verb, verb);
}

static void start(void)
{
	control_client_start(&client, &loop, path, &facts, on_change, NULL);
	expect_request(CONTROL_VERB_SUBSCRIBE);
}

static void send_picture(enum service_state docker)
{
	assert_true(fake_init_send(server, fake_init_boot(BOOT_STATE_STARTING)));
	assert_true(fake_init_send(server, fake_init_service(1, "docker.service", docker)));
	assert_true(fake_init_send(server, fake_init_record(CONTROL_RECORD_END)));
}

static void test_whole_pictures_only(void **state)
{
	(void)state;
	start();
	assert_true(fake_init_send(server, fake_init_boot(BOOT_STATE_STARTING)));
	LOOP_UNTIL(&loop, facts.boot_known);
	while (loop_test_step(&loop))
		;
	assert_int_equal(changes, 0);
	assert_int_equal(facts.link, FACTS_LINK_NEVER);
	send_picture(SERVICE_STATE_STARTING);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.link, FACTS_LINK_UP);
	send_picture(SERVICE_STATE_ACTIVE);
	LOOP_UNTIL(&loop, changes == 2);
	assert_int_equal(facts.services[1].state, SERVICE_STATE_ACTIVE);
}

static void test_requests_on_the_same_connection(void **state)
{
	(void)state;
	start();
	assert_int_equal(control_client_send(&client, CONTROL_VERB_REBOOT, NULL), 0);
	expect_request(CONTROL_VERB_REBOOT);
	assert_true(fake_init_send(server, fake_init_result(-EBUSY))); /* logged, harmless */
	send_picture(SERVICE_STATE_ACTIVE);
	LOOP_UNTIL(&loop, changes == 1);
}

/* One broken connection is renewed without a word; only when that fails are the facts old. */
static void test_renewal_and_loss(void **state)
{
	(void)state;
	start();
	send_picture(SERVICE_STATE_ACTIVE);
	LOOP_UNTIL(&loop, changes == 1);
	close_p(&server);
	LOOP_UNTIL(&loop, client.failures == 1);
	expect_request(CONTROL_VERB_SUBSCRIBE);
	assert_int_equal(facts.link, FACTS_LINK_UP);
	send_picture(SERVICE_STATE_ACTIVE);
	LOOP_UNTIL(&loop, changes == 2);

	close_p(&listener);
	close_p(&server);
	LOOP_UNTIL(&loop, changes == 3);
	assert_int_equal(facts.link, FACTS_LINK_LOST);
	assert_int_equal(control_client_send(&client, CONTROL_VERB_REBOOT, NULL), -ENOTCONN);
	listener = fake_init_listen(path);
	LOOP_UNTIL(&loop, client.fd >= 0);
	expect_request(CONTROL_VERB_SUBSCRIBE);
	send_picture(SERVICE_STATE_ACTIVE);
	LOOP_UNTIL(&loop, changes == 4);
	assert_int_equal(facts.link, FACTS_LINK_UP);
	assert_int_equal(client.failures, 0);
}

static void test_rubbish_is_a_loss_not_a_crash(void **state)
{
	struct control_record bad[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = fake_init_service(1, "x", SERVICE_STATE_ACTIVE);
	bad[0].version = CONTROL_VERSION + 1;
	bad[1].index = CONTROL_SERVICES_MAX;
	memset(bad[2].service.reason, 'a', sizeof(bad[2].service.reason));
	bad[3].type = 77;
	start();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(fake_init_send(server, bad[i]));
		LOOP_UNTIL(&loop, client.fd < 0);
		assert_string_equal(facts.services[1].name, "");
		close_p(&server);
		LOOP_UNTIL(&loop, client.fd >= 0);
		expect_request(CONTROL_VERB_SUBSCRIBE);
	}
	assert_int_equal(send(server, "short", 5, 0), 5);
	LOOP_UNTIL(&loop, client.fd < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_pictures_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_requests_on_the_same_connection, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_renewal_and_loss, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rubbish_is_a_loss_not_a_crash, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

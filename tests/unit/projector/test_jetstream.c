/* projector/jetstream: what an answer to STREAM.INFO proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "projector/nats/jetstream.h"

static enum sg_status read_info(const char *config, const char *cluster, struct stream_info *out)
{
    char answer[2048];
    struct sg_error err;
    (void)snprintf(answer, sizeof answer,
                   "{\"config\":{\"name\":\"S\",\"retention\":\"limits\",%s},"
                   "\"created\":\"2026-01-02T03:04:05.000000007Z\","
                   "\"state\":{\"messages\":3,\"first_seq\":5,\"last_seq\":9}%s%s}",
                   config, cluster[0] != '\0' ? ",\"cluster\":" : "", cluster);
    return jetstream_info_read(slice_of(answer), "S", "state.>", out, &err);
}

static bool leader_proved(const char *cluster)
{
    struct stream_info info;
    assert_int_equal(read_info("\"num_replicas\":3", cluster, &info), SG_OK);
    assert_true(info.replicated);
    return info.leader_proved;
}

static void sequences_creation_and_limits_are_read(void **state)
{
    (void)state;
    struct stream_info info;
    assert_int_equal(read_info("\"num_replicas\":1,\"max_msgs\":10,\"max_bytes\":-1,\"max_age\":7,"
                               "\"duplicate_window\":120000000000,"
                               "\"max_msgs_per_subject\":1,\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":9",
                               "", &info),
                     SG_OK);
    assert_int_equal(info.first, 5);
    assert_int_equal(info.last, 9);
    assert_int_equal(info.created_ns, INT64_C(1767323045000000007));
    assert_int_equal(info.retention, RETENTION_LIMITS);
    assert_int_equal(info.max_age_ns, 7);
    assert_int_equal(info.duplicate_window_ns, INT64_C(120000000000));
    assert_int_equal(info.max_messages_per_subject, 1);
    assert_true(info.message_ttl);
    assert_true(info.delete_markers);
    assert_false(info.replicated);
    assert_true(info.leader_proved);
}

static void an_answer_without_sequences_is_no_zero(void **state)
{
    (void)state;
    struct stream_info info;
    struct sg_error err;
    const char *answer = "{\"config\":{\"retention\":\"limits\"},\"created\":\"2026-01-02T03:04:05Z\",\"state\":{}}";
    assert_int_equal(jetstream_info_read(slice_of(answer), "S", "state.>", &info, &err), SG_INVALID);
    assert_int_equal(jetstream_info_read(slice_of("[1]"), "S", "state.>", &info, &err), SG_INVALID);
    assert_int_equal(jetstream_info_read(slice_of("nonsense"), "S", "state.>", &info, &err), SG_INVALID);
    assert_int_equal(jetstream_info_read((struct slice){0}, "S", "state.>", &info, &err), SG_INVALID);
}

static void errors_of_the_api_are_told_apart(void **state)
{
    (void)state;
    struct stream_info info;
    struct sg_error err;
    const char *missing = "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}";
    const char *refused = "{\"error\":{\"code\":503,\"description\":\"JetStream system temporarily unavailable\"}}";
    assert_int_equal(jetstream_info_read(slice_of(missing), "S", "state.>", &info, &err), SG_NOT_FOUND);
    assert_string_equal(err.message, "stream S: stream not found");
    assert_int_equal(jetstream_info_read(slice_of(refused), "S", "state.>", &info, &err), SG_INVALID);
}

static void a_leader_with_a_majority_proves(void **state)
{
    (void)state;
    assert_true(leader_proved("{\"leader\":\"a\",\"replicas\":[{\"name\":\"b\",\"active\":100},"
                              "{\"name\":\"c\",\"active\":200}]}"));
    assert_true(leader_proved("{\"leader\":\"a\",\"replicas\":[{\"name\":\"b\",\"active\":2999999999},"
                              "{\"name\":\"c\",\"offline\":true,\"active\":1}]}"));
}

static void a_leader_without_a_majority_or_a_member_without_leader_proves_nothing(void **state)
{
    (void)state;
    assert_false(leader_proved("{\"leader\":\"a\",\"replicas\":[{\"name\":\"b\",\"active\":3000000000},"
                               "{\"name\":\"c\",\"active\":40000000000}]}"));
    assert_false(leader_proved("{\"leader\":\"a\",\"replicas\":[{\"name\":\"b\",\"offline\":true,\"active\":1},"
                               "{\"name\":\"c\"}]}"));
    assert_false(leader_proved("{\"replicas\":[{\"name\":\"b\",\"active\":1},{\"name\":\"c\",\"active\":1}]}"));
    assert_false(
        leader_proved("{\"leader\":\"\",\"replicas\":[{\"name\":\"b\",\"active\":1},{\"name\":\"c\",\"active\":1}]}"));
    assert_false(
        leader_proved("{\"leader\":\"b\",\"replicas\":[{\"name\":\"b\",\"active\":1},{\"name\":\"c\",\"active\":1}]}"));
    /* Never heard of: 0 ago. */
    assert_false(leader_proved("{\"leader\":\"a\",\"replicas\":[{\"name\":\"b\",\"active\":0},"
                               "{\"name\":\"c\",\"active\":0}]}"));
    assert_false(leader_proved("{}"));
    assert_false(leader_proved(""));
}

static bool takes_filter(const char *config)
{
    struct stream_info info;
    assert_int_equal(read_info(config, "", &info), SG_OK);
    return info.takes_filter;
}

static void a_stream_whose_subjects_the_filter_cannot_match_is_known(void **state)
{
    (void)state;
    struct stream_info info;
    assert_true(takes_filter("\"subjects\":[\"state.>\"]"));
    assert_true(takes_filter("\"subjects\":[\"noise.>\",\"*.orders.>\"]"));
    assert_false(takes_filter("\"subjects\":[\"orders.>\",\"noise.*\"]"));
    /* What comes of others, or is renamed, cannot be known. */
    assert_true(takes_filter("\"subjects\":[]"));
    assert_true(takes_filter("\"mirror\":{\"name\":\"O\"}"));
    assert_true(takes_filter("\"subjects\":[\"orders.>\"],\"sources\":[{\"name\":\"O\"}]"));
    assert_false(takes_filter("\"subjects\":[\"orders.>\"],\"sources\":[]"));
    assert_true(takes_filter("\"subjects\":[\"orders.>\"],\"subject_transform\":{\"src\":\">\",\"dest\":\"state.>\"}"));
    assert_int_equal(read_info("\"subjects\":[\"orders.>\",\"noise.*\"]", "", &info), SG_OK);
    assert_string_equal(info.subjects, "orders.>, noise.*");
}

static void many_subjects_are_shown_as_far_as_they_fit(void **state)
{
    (void)state;
    struct stream_info info;
    char config[1600] = "\"subjects\":[\"a.>\"";
    for (int i = 0; i < 100; i++)
        (void)strcat(config, ",\"noise.>\"");
    (void)strcat(config, "]");
    assert_int_equal(read_info(config, "", &info), SG_OK);
    assert_int_equal(strlen(info.subjects), sizeof info.subjects - 1);
    assert_false(info.takes_filter);
}

static void the_limit_of_a_consumers_threshold_is_read(void **state)
{
    (void)state;
    struct stream_info info;
    assert_int_equal(read_info("\"consumer_limits\":{\"inactive_threshold\":5000000000}", "", &info), SG_OK);
    assert_int_equal(info.inactive_threshold_ns, INT64_C(5000000000));
    assert_int_equal(read_info("\"consumer_limits\":{}", "", &info), SG_OK);
    assert_int_equal(info.inactive_threshold_ns, 0);
}

static struct stream_info copy_info(const char *config, const char *more)
{
    char answer[1024];
    struct stream_info info;
    struct sg_error err;
    (void)snprintf(answer, sizeof answer,
                   "{\"config\":{\"retention\":\"limits\",%s},\"created\":\"2026-01-02T03:04:05Z\","
                   "\"state\":{\"first_seq\":5,\"last_seq\":9}%s}",
                   config, more);
    assert_int_equal(jetstream_info_read(slice_of(answer), "S", "state.>", &info, &err), SG_OK);
    return info;
}

static void what_a_copy_heard_of_its_origins_is_read(void **state)
{
    (void)state;
    static const char mirror[] = "\"mirror\":{\"name\":\"O\"}";
    static const char two[] = "\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]";
    assert_false(copy_info("\"sources\":[]", "").mirrored);
    struct stream_info info = copy_info(mirror, ",\"mirror\":{\"name\":\"O\",\"lag\":0,\"active\":700}");
    assert_true(info.mirrored);
    assert_true(info.mirror_current);
    assert_int_equal(info.mirror_heard_ns, 700);
    assert_false(copy_info(mirror, ",\"mirror\":{\"name\":\"O\",\"lag\":1,\"active\":700}").mirror_current);
    assert_false(copy_info(mirror, ",\"mirror\":{\"name\":\"O\",\"lag\":0,\"active\":-1}").mirror_current);
    assert_false(copy_info(mirror, ",\"mirror\":{\"name\":\"O\",\"lag\":0}").mirror_current);
    assert_false(copy_info(mirror, "").mirror_current);
    /* Of several, the one that was heard of longest ago, and none may lag. */
    info = copy_info(two, ",\"sources\":[{\"lag\":0,\"active\":9},{\"lag\":0,\"active\":4}]");
    assert_true(info.mirrored && info.mirror_current);
    assert_int_equal(info.mirror_heard_ns, 9);
    assert_false(copy_info(two, ",\"sources\":[{\"lag\":0,\"active\":9},{\"lag\":2,\"active\":4}]").mirror_current);
    assert_false(copy_info(two, ",\"sources\":[{\"lag\":0,\"active\":9},{\"lag\":0,\"active\":-1}]").mirror_current);
    assert_false(copy_info(two, ",\"sources\":[{\"lag\":0,\"active\":9}]").mirror_current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_creation_and_limits_are_read),
        cmocka_unit_test(an_answer_without_sequences_is_no_zero),
        cmocka_unit_test(errors_of_the_api_are_told_apart),
        cmocka_unit_test(a_leader_with_a_majority_proves),
        cmocka_unit_test(a_leader_without_a_majority_or_a_member_without_leader_proves_nothing),
        cmocka_unit_test(a_stream_whose_subjects_the_filter_cannot_match_is_known),
        cmocka_unit_test(many_subjects_are_shown_as_far_as_they_fit),
        cmocka_unit_test(the_limit_of_a_consumers_threshold_is_read),
        cmocka_unit_test(what_a_copy_heard_of_its_origins_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

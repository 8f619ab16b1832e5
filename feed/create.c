/* Streams and buckets. A bucket is a stream with a name and settings that its clients rely on. */
#include "feed/create.h"

#include <stdio.h>
#include <string.h>

#include "projector/nats/options.h"

#define CREATE_NAME_BYTES_MAX 255

/* The server compares the settings with those of an existing stream, and says yes if they are the same. */
static enum sg_status create_one(jsCtx *js, jsStreamConfig *config, struct sg_error *err)
{
    jsErrCode code = 0;
    char what[CREATE_NAME_BYTES_MAX + 32];
    (void)snprintf(what, sizeof what, "stream %s", config->Name);
    natsStatus s = js_AddStream(NULL, js, config, NULL, &code);
    if (s == NATS_OK)
        return SG_OK;
    if (s == NATS_NO_RESPONDERS)
        return sg_fail(err, SG_UNAVAILABLE, "%s: JetStream does not answer; is it enabled on the server?", what);
    enum sg_status status = nats_fail(s, what, err);
    if (code != 0)
        err->status = status = SG_INVALID;
    return status;
}

static void set_common(const struct feed_options *options, jsStreamConfig *config)
{
    config->Storage = options->memory_storage ? js_MemoryStorage : js_FileStorage;
    config->Replicas = options->replicas;
}

static enum sg_status create_stream(jsCtx *js, const struct feed_options *options, struct sg_error *err)
{
    jsStreamConfig config;
    (void)jsStreamConfig_Init(&config);
    const char *template_filter = options->subject.filter;
    const char *subjects[FEED_SUBJECTS_MAX];
    memcpy(subjects, options->subjects, sizeof subjects);
    config.Name = options->create_stream;
    config.Subjects = options->subjects_count > 0 ? subjects : &template_filter;
    config.SubjectsLen = options->subjects_count > 0 ? (int)options->subjects_count : 1;
    if (options->max_msgs_per_subject > 0)
        config.MaxMsgsPerSubject = options->max_msgs_per_subject;
    set_common(options, &config);
    return create_one(js, &config, err);
}

static enum sg_status create_bucket(jsCtx *js, const struct feed_options *options, struct sg_error *err)
{
    jsStreamConfig config;
    (void)jsStreamConfig_Init(&config);
    char name[CREATE_NAME_BYTES_MAX + 1];
    char subject[CREATE_NAME_BYTES_MAX + 1];
    int bytes = snprintf(name, sizeof name, "KV_%s", options->create_bucket);
    int subject_bytes = snprintf(subject, sizeof subject, "$KV.%s.>", options->create_bucket);
    if (bytes < 0 || (size_t)bytes >= sizeof name || subject_bytes < 0 || (size_t)subject_bytes >= sizeof subject)
        return sg_fail(err, SG_INVALID, "the bucket's name is too long");
    const char *subjects[] = {subject};
    config.Name = name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.MaxMsgsPerSubject = options->max_msgs_per_subject > 0 ? options->max_msgs_per_subject : 1;
    config.AllowRollup = true;
    config.DenyDelete = true;
    config.Discard = js_DiscardNew;
    set_common(options, &config);
    return create_one(js, &config, err);
}

enum sg_status create_all(natsConnection *nc, const struct feed_options *options, struct sg_error *err)
{
    jsCtx *js = NULL;
    if (options->create_stream == NULL && options->create_bucket == NULL)
        return SG_OK;
    enum sg_status status = nats_fail(natsConnection_JetStream(&js, nc, NULL), "JetStream", err);
    if (status == SG_OK && options->create_stream != NULL)
        status = create_stream(js, options, err);
    if (status == SG_OK && options->create_bucket != NULL)
        status = create_bucket(js, options, err);
    jsCtx_Destroy(js);
    return status;
}

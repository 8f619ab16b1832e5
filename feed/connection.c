/* The connection to the broker. */
#include "feed/connection.h"

#include <stdio.h>

#include "projector/nats/options.h"

/* Small events, sent one by one, should not wait for others to fill a packet; many of them should. */
#define CONNECTION_ASAP_RATE_MAX 10000

/* Nothing is written through it. */
static char *given(const char *text)
{
    static char none[1];
    return text != NULL ? (char *)(uintptr_t)text : none;
}

/* Servers, credentials and TLS, as the gateway's settings spell them. */
static struct nats_settings settings_of(const struct feed_options *o)
{
    return (struct nats_settings){
        .url = given(o->url),
        .credentials_file = given(o->credentials_file),
        .nkey_file = given(o->nkey_file),
        .token_file = given(o->token_file),
        .user = given(o->user),
        .password_file = given(o->password_file),
        .tls_ca_file = given(o->tls_ca_file),
        .tls_cert_file = given(o->tls_cert_file),
        .tls_key_file = given(o->tls_key_file),
    };
}

/* Rights that are missing are shown here and nowhere else: the server does not answer the message itself. */
static void on_error(natsConnection *nc, natsSubscription *subscription, natsStatus s, void *closure)
{
    const char *text = NULL;
    (void)subscription;
    (void)closure;
    (void)natsConnection_GetLastError(nc, &text);
    (void)fprintf(stderr, "stategate-feed: %s\n", text != NULL && text[0] != '\0' ? text : natsStatus_GetText(s));
}

static natsStatus set_behaviour(const struct feed_options *o, natsOptions *opts)
{
    natsStatus s = natsOptions_SetName(opts, "stategate-feed");
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(opts, CONNECTION_RECONNECTS_MAX);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(opts, CONNECTION_RECONNECT_WAIT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(opts, on_error, NULL);
    if (s == NATS_OK && o->rate > 0 && o->rate <= CONNECTION_ASAP_RATE_MAX)
        s = natsOptions_SetSendAsap(opts, true);
    return s;
}

static enum sg_status make_options(const struct feed_options *o, natsOptions **out, struct sg_error *err)
{
    natsOptions *opts = NULL;
    struct nats_settings settings = settings_of(o);
    enum sg_status status = nats_options_create(&settings, NULL, &opts, err);
    if (status == SG_OK)
        status = nats_fail(set_behaviour(o, opts), "options", err);
    if (status == SG_OK)
        *out = opts;
    else
        natsOptions_Destroy(opts);
    return status;
}

enum sg_status connection_open(const struct feed_options *options, natsConnection **out, struct sg_error *err)
{
    natsOptions *opts = NULL;
    enum sg_status status = make_options(options, &opts, err);
    if (status != SG_OK)
        return status;
    natsStatus s = NATS_ERR;
    for (int attempt = 0; s != NATS_OK && attempt < CONNECTION_ATTEMPTS; attempt++) {
        if (attempt > 0)
            nats_Sleep(CONNECTION_PAUSE_MS);
        s = natsConnection_Connect(out, opts);
    }
    status = nats_fail(s, options->url, err);
    natsOptions_Destroy(opts);
    return status;
}

void connection_close(natsConnection *nc)
{
    natsConnection_Close(nc);
    natsConnection_Destroy(nc);
}

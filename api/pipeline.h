/* One request's way, from its head to its answer:
 *
 *   admit -> authenticate -> route and plan -> find -> check -> answer
 *                            '------ once -----'  '--- an attempt ---'
 *
 * Only here are demands, rights and conditions looked at. An attempt that falls short of something that may come is
 * parked, and made again in a new snapshot when it was woken; of what was read once, nothing is read again. */
#ifndef STATEGATE_API_PIPELINE_H
#define STATEGATE_API_PIPELINE_H

#include <stdbool.h>

#include "api/http/head.h"
#include "api/http/response.h"
#include "api/request/admission.h"
#include "api/routes/route.h"

enum outcome {
    OUTCOME_ANSWER, /* `out` is to be sent */
    OUTCOME_PARK,   /* the call's wants and deadline are set: park it, and attempt again when it is woken */
    OUTCOME_JOB,    /* it may take long: attempt it in the thread of a job */
};

/* Step one, when the head is there. False: `out` is the refusal, and the connection is closed. The loop's thread. */
bool pipeline_admit(struct route_counters *counters, const struct settings *settings, struct admission_host *last,
                    const struct http_head *head, struct response *out);

/* The other steps; for a call that was planned before, an attempt. `call` has its head and what all loops share. The
 * loop's thread. */
enum outcome pipeline_handle(struct call *call, struct snapshot *snapshot, struct response *out);

/* Find, check, answer, in this snapshot: of the loop, or of the job in whose thread it runs. The call is planned.
 * What `out` points at is valid as long as the snapshot. OUTCOME_JOB: it took too long for a loop, and `out` is as it
 * came. */
enum outcome pipeline_attempt(struct call *call, struct snapshot *snapshot, struct response *out);

/* Count the answer that is sent, and end the wait for it. Gives when it was made. The loop's thread. */
int64_t pipeline_end(struct call *call, struct route_counters *counters, const struct response *out);

/* The second look at a call that was just parked, in a snapshot that began after it was visible: find and check alone.
 * False = wake it. Its wants may have changed. The loop's thread. */
bool pipeline_still_short(struct call *call, struct snapshot *snapshot);

/* The request is over, answered or not: give back what it holds. Harmless when repeated, and before it was handled. */
void pipeline_forget(struct call *call);

#endif

/* What the engine and the steps share and nobody else needs. */
#ifndef MINT_STEPS_H
#define MINT_STEPS_H

#include "mint/request.h"

/* A step answers one of these, or the later step to jump to. */
enum verdict { VERDICT_NEXT = -1, VERDICT_WAIT = -2, VERDICT_END = -3 };

#define STEP(name, function, waits) STEP_##waits(function)
#define STEP_NOTHING(function) int step_##function(struct request *request);
#define STEP_REGISTRY(function) STEP_NOTHING(function) STEP_NOTHING(function##_done)
#define STEP_SIGNATURE(function) STEP_REGISTRY(function)
#define STEP_CHANGES(function) STEP_REGISTRY(function)
#include "mint/steps.def"
#undef STEP
#undef STEP_NOTHING
#undef STEP_REGISTRY
#undef STEP_SIGNATURE
#undef STEP_CHANGES

/* Every failure is a jump to the one place that replies. */
#define FAIL(request, code, ...) (error_set(&(request)->error, (code), __VA_ARGS__), STEP_RESPOND)

bool request_is_acknowledged(const struct request *request);
void mint_sign_batch(struct mint *mint);
void request_job_done(struct registry_job *job);
must_check bool flights_open(struct mint *mint);
void flights_close(struct mint *mint);

#endif

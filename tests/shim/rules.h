/* What the shim does to a call: rules out of the control file, and counts of calls that outlive the process. */
#ifndef SHIM_RULES_H
#define SHIM_RULES_H

#include <stdbool.h>

/* The functions that are wrapped. FUNCTIONS(X) names each once; the place in the list is the place of its counts. */
#define FUNCTIONS(X) \
    X(C_Initialize) X(C_Finalize) X(C_GetSlotList) X(C_GetTokenInfo) X(C_OpenSession) X(C_CloseSession) X(C_GetSessionInfo) X(C_Login) \
    X(C_FindObjectsInit) X(C_FindObjects) X(C_FindObjectsFinal) X(C_GetAttributeValue) X(C_SignInit) X(C_Sign) \
    X(C_GenerateKeyPair) X(C_GenerateRandom) X(C_DestroyObject) X(C_CreateObject) X(C_GenerateKey) X(C_WrapKey) X(C_UnwrapKey) \
    X(C_EncryptInit) X(C_Encrypt) X(C_DecryptInit) X(C_Decrypt) X(C_GetMechanismInfo)

enum function {
#define NUMBER(name) F_##name,
    FUNCTIONS(NUMBER)
#undef NUMBER
    FUNCTION_COUNT
};

extern const char *const function_names[FUNCTION_COUNT];

/* What is to become of one call. */
struct verdict {
    enum { FORWARD, REFUSE, REFUSE_AFTER, FLIP, EMPTY } kind;
    unsigned long code;
};

/* Reads the configuration whose path was compiled in: `module PATH`, `control PATH`, and optionally `counts PATH`, `log PATH`,
   `reserved TEXT`, `local yes` and, once for each, `lacks NUMBER`: a mechanism that the token is to lack.
   Ends the process when it cannot, because a shim without its rules would make a test that cannot fail. */
void rules_open(void);

/* The path of the module behind the shim. */
const char *rules_module(void);

/* What C_Initialize is to be given as pReserved, which NSS takes its parameters from; NULL when the caller's is to stay. */
char *rules_reserved(void);

/* Whether each key is to be said to have been made in the token, which NSS says of none. */
bool rules_local(void);

/* Whether the token is to lack a mechanism. */
bool rules_lack(unsigned long mechanism);

/* Counts the call, reads the control file and decides. Waits here for as long as the rules say, or ends the process. */
struct verdict rules_judge(enum function function);

/* Writes down what a call returned, when a log is wanted. */
void rules_log(enum function function, unsigned long result, struct verdict verdict);

#endif

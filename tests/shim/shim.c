/* A PKCS#11 module that stands before another one and fails as it is told. What it is told is read in rules.c.
 *
 * Every function goes to the module behind; those of FUNCTIONS are judged first. Only C_GetFunctionList is exported, so callers of
 * PKCS#11 v3 interfaces get the functions of v2.40, as they do from SoftHSM 2.6.1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules.h"

static CK_FUNCTION_LIST table;
static CK_FUNCTION_LIST_PTR real;

/* Judges a call, makes it unless it is refused, and gives what it returned or what the rule says. `spoil` is done to the outcome of a
   call that succeeded, when the rule wants that. */
#define CALL(name, arguments, spoil)                             \
    do {                                                         \
        struct verdict verdict = rules_judge(F_##name);          \
        CK_RV result = verdict.code;                             \
        if (verdict.kind != REFUSE) {                            \
            result = real->name arguments;                       \
            if (result == CKR_OK) {                              \
                spoil;                                           \
            }                                                    \
            if (verdict.kind == REFUSE_AFTER)                    \
                result = verdict.code;                           \
        }                                                        \
        rules_log(F_##name, result, verdict);                    \
        return result;                                           \
    } while (0)

/* A call with a mechanism that the token is to lack is refused as a token would. */
#define REFUSE_LACKING(number)                                   \
    do {                                                         \
        if (rules_lack(number))                                  \
            return CKR_MECHANISM_INVALID;                        \
    } while (0)

static CK_RV shim_C_Initialize(void *arguments)
{
    CK_C_INITIALIZE_ARGS changed = {.flags = CKF_OS_LOCKING_OK};
    if (arguments != NULL)
        changed = *(CK_C_INITIALIZE_ARGS *)arguments;
    if (rules_reserved() != NULL) {
        changed.pReserved = rules_reserved();
        arguments = &changed;
    }
    CALL(C_Initialize, (arguments), );
}

static CK_RV shim_C_Finalize(void *reserved)
{
    CALL(C_Finalize, (reserved), );
}

static CK_RV shim_C_GetSlotList(unsigned char present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count)
{
    CALL(C_GetSlotList, (present, slots, count), );
}

static CK_RV shim_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR information)
{
    CALL(C_GetTokenInfo, (slot, information), );
}

static CK_RV shim_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR session)
{
    CALL(C_OpenSession, (slot, flags, application, notify, session), );
}

static CK_RV shim_C_CloseSession(CK_SESSION_HANDLE session)
{
    CALL(C_CloseSession, (session), );
}

static CK_RV shim_C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR information)
{
    CALL(C_GetSessionInfo, (session, information), );
}

static CK_RV shim_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, CK_ULONG length)
{
    CALL(C_Login, (session, user, pin, length), );
}

static CK_RV shim_C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    CALL(C_FindObjectsInit, (session, template, count), );
}

static CK_RV shim_C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG most, CK_ULONG_PTR count)
{
    CALL(C_FindObjects, (session, objects, most, count), if (verdict.kind == EMPTY) *count = 0);
}

static CK_RV shim_C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    CALL(C_FindObjectsFinal, (session), );
}

/* What a token would answer that knows where its keys are from, in the place of one that does not: CKA_LOCAL is true of each. */
static CK_RV say_local(CK_RV result, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    if (!rules_local() || (result != CKR_OK && result != CKR_ATTRIBUTE_TYPE_INVALID))
        return result;
    CK_RV answer = CKR_OK;
    for (CK_ULONG place = 0; place < count; place++) {
        CK_ATTRIBUTE *attribute = &template[place];
        if (attribute->type == CKA_LOCAL) {
            if (attribute->pValue != NULL)
                *(CK_BBOOL *)attribute->pValue = CK_TRUE;
            attribute->ulValueLen = sizeof(CK_BBOOL);
        } else if (attribute->ulValueLen == CK_UNAVAILABLE_INFORMATION)
            answer = result;
    }
    return answer;
}

static CK_RV shim_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    struct verdict verdict = rules_judge(F_C_GetAttributeValue);
    CK_RV result = verdict.code;
    if (verdict.kind != REFUSE) {
        result = say_local(real->C_GetAttributeValue(session, object, template, count), template, count);
        if (verdict.kind == REFUSE_AFTER)
            result = verdict.code;
    }
    rules_log(F_C_GetAttributeValue, result, verdict);
    return result;
}

static CK_RV shim_C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_SignInit, (session, mechanism, key), );
}

static CK_RV shim_C_Sign(CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG length, unsigned char *signature, CK_ULONG_PTR signed_length)
{
    /* Without a buffer the caller only asks for the length. The last bit is one of s, or of the RSA signature's lowest byte. */
    CALL(C_Sign, (session, data, length, signature, signed_length),
         if (verdict.kind == FLIP && signature != NULL && *signed_length > 0) signature[*signed_length - 1] ^= 1);
}

static CK_RV shim_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_template,
                                    CK_ULONG public_count, CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count,
                                    CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_GenerateKeyPair,
         (session, mechanism, public_template, public_count, private_template, private_count, public_key, private_key), );
}

static CK_RV shim_C_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *bytes, CK_ULONG length)
{
    CALL(C_GenerateRandom, (session, bytes, length), );
}

static CK_RV shim_C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CALL(C_DestroyObject, (session, object), );
}

static CK_RV shim_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR object)
{
    CALL(C_CreateObject, (session, template, count, object), );
}

static CK_RV shim_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR template, CK_ULONG count,
                                CK_OBJECT_HANDLE_PTR key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_GenerateKey, (session, mechanism, template, count, key), );
}

/* The last bit of what came out, when it did and was not only its length that was asked for. */
#define FLIP_LAST(bytes, length)                                       \
    if (verdict.kind == FLIP && (bytes) != NULL && *(length) > 0)      \
    (bytes)[*(length)-1] ^= 1

static CK_RV shim_C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key,
                            unsigned char *wrapped, CK_ULONG_PTR length)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_WrapKey, (session, mechanism, wrapping, key, wrapped, length), FLIP_LAST(wrapped, length));
}

static CK_RV shim_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE unwrapping, unsigned char *wrapped,
                              CK_ULONG length, CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_UnwrapKey, (session, mechanism, unwrapping, wrapped, length, template, count, key), );
}

static CK_RV shim_C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_EncryptInit, (session, mechanism, key), );
}

static CK_RV shim_C_Encrypt(CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG length, unsigned char *encrypted,
                            CK_ULONG_PTR encrypted_length)
{
    CALL(C_Encrypt, (session, data, length, encrypted, encrypted_length), FLIP_LAST(encrypted, encrypted_length));
}

static CK_RV shim_C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    REFUSE_LACKING(mechanism->mechanism);
    CALL(C_DecryptInit, (session, mechanism, key), );
}

static CK_RV shim_C_Decrypt(CK_SESSION_HANDLE session, unsigned char *encrypted, CK_ULONG length, unsigned char *data,
                            CK_ULONG_PTR data_length)
{
    CALL(C_Decrypt, (session, encrypted, length, data, data_length), FLIP_LAST(data, data_length));
}

static CK_RV shim_C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR information)
{
    REFUSE_LACKING(type);
    CALL(C_GetMechanismInfo, (slot, type, information), );
}

static void load(void)
{
    rules_open();
    void *library = dlopen(rules_module(), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get_function_list)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
    if (library != NULL) {
        /* POSIX makes the result of dlsym a function's address where ISO C has no such conversion. */
        *(void **)&get_function_list = dlsym(library, "C_GetFunctionList");
    }
    if (get_function_list == NULL || get_function_list(&real) != CKR_OK) {
        const char *why = dlerror();
        fprintf(stderr, "fault shim: %s cannot be used: %s\n", rules_module(), why != NULL ? why : "it gives no functions");
        abort();
    }
    table = *real;
    table.C_GetFunctionList = C_GetFunctionList;
#define REPLACE(name) table.name = shim_##name;
    FUNCTIONS(REPLACE)
#undef REPLACE
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (list == NULL)
        return CKR_ARGUMENTS_BAD;
    pthread_once(&once, load);
    *list = &table;
    return CKR_OK;
}

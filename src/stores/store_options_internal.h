/*-------------------------------------------------------------------------
 *
 * store_options_internal.h
 *	  The names of the options of page stores.
 *
 *	  store_options.c			what a call needs of them
 *	  store_options_check.c		which values they may have, and who may set them
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_OPTIONS_INTERNAL_H
#define BB_STORE_OPTIONS_INTERNAL_H

#include "stores/store_options.h"

#define BB_OPTION_URL "url"
#define BB_OPTION_ENDPOINT "endpoint"
#define BB_OPTION_REGION "region"
#define BB_OPTION_PATH_STYLE "path_style"
#define BB_OPTION_CACHE_SIZE "cache_size"
#define BB_OPTION_UPKEEP "upkeep"
#define BB_OPTION_CREDENTIALS "credentials"
#define BB_OPTION_CREDENTIALS_ENDPOINT "credentials_endpoint"
#define BB_OPTION_TOKEN_FILE "credentials_token_file"
#define BB_OPTION_ROLE_ARN "role_arn"
#define BB_OPTION_ENCRYPTION "server_side_encryption"
#define BB_OPTION_KMS_KEY_ID "kms_key_id"
#define BB_OPTION_BUCKET_KEY "bucket_key"
#define BB_OPTION_STORAGE_CLASS "storage_class"
#define BB_OPTION_LOCK_MODE "object_lock_mode"
#define BB_OPTION_LOCK_DAYS "object_lock_days"
#define BB_OPTION_ENCRYPTED "encrypted"
#define BB_OPTION_KEY_FILE "encryption_key_file"
#define BB_OPTION_KEY_COMMAND "encryption_key_command"
#define BB_OPTION_ENCRYPTION_KEY "encryption_key"
#define BB_OPTION_ACCESS_KEY_ID "access_key_id"
#define BB_OPTION_SECRET_ACCESS_KEY "secret_access_key"
#define BB_OPTION_SESSION_TOKEN "session_token"

/*
 * bb_storeoption_credentials, bb_storeoption_days - decode a value.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern BbCredentialKind bb_storeoption_credentials(const char *value);
extern int bb_storeoption_days(const char *value);

#endif /* BB_STORE_OPTIONS_INTERNAL_H */

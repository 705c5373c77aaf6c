/* SPDX-License-Identifier: MIT
 *
 * redact.h - takes secrets out of a text before it leaves the guest: values become "***". Pure; fuzzed.
 *
 * A text is a whole one (a file, a log): one that was cut is to be cut at the end of a line, and begin at the beginning
 * of one. When in doubt more is taken than was secret. What is known:
 *
 *   URLs and proxies             scheme://USER:PASSWORD@host, //USER:PASSWORD@host, USER:PASSWORD@host; not tag@sha256:... of
 *                                an image
 *   keys with a word like        password=X  "token": "X"  api_key: X  --secret X  FOO_TOKEN='X'  "auths": {...}, also as
 *   password, token, auth, ...   JSON in a string. At the beginning of a line the value goes to the line's end
 *                                Also password%3DX, token[0]=X, form[token]=X; a map or struct as Go prints it, to the line's end
 *   -pX, -p X                    behind login and sshpass, -pX behind mysql and mariadb; no port (8080:80)
 *   Authorization:, Cookie:      to the end of the line; Bearer X and Basic X anywhere
 *   Environment=, "Env": [...]   all of it
 *   private keys in PEM, also what is left of one whose beginning or end was cut off; tokens that say what they are (ghp_, dckr_pat_, eyJ...)
 */
#pragma once

#include "lib/base.h"

/* In place. The new length, never more than `len`; takes time in proportion to it. */
size_t redact_text(char *text, size_t len) MUST_CHECK;

/* SPDX-License-Identifier: MIT
 *
 * problem.c - see problem.h. Written by hand, not through the JSON library, because it must work
 * when there is no memory for anything else.
 */
#include "agent/common/problem.h"

#include <stdio.h>

const char *problem_title(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 202:
		return "Accepted";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 417:
		return "Expectation Failed";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

/* JSON string content: quotes and backslashes escaped, control characters dropped. */
static void escape(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + 3 <= size; text++) {
		if ((unsigned char)*text < 0x20)
			continue;
		if (*text == '"' || *text == '\\')
			out[len++] = '\\';
		out[len++] = *text;
	}
	out[len] = '\0';
}

size_t problem_format(char *buffer, size_t size, int status, const char *code, const char *detail)
{
	char text[PROBLEM_DETAIL_MAX];
	int len;

	escape(text, sizeof(text), detail);
	len = snprintf(buffer, size,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\","
		"\"message\":\"%s\"}\n",
		problem_title(status), status, code, text, text);
	if (len < 0)
		return 0;
	return (size_t)len < size ? (size_t)len : size - 1;
}

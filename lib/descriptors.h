/* SPDX-License-Identifier: MIT
 *
 * descriptors.h - how many descriptors this process may have.
 */
#pragma once

/* Raises the soft limit to `wanted`, or as far as the hard one allows. It is never lowered. */
void descriptors_raise(unsigned int wanted);

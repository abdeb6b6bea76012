// Functions whose frames are hard to unwind. Built by the tests without frame pointers and with lazy binding.
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <alloca.h>

#define APART __attribute__((noinline, noclone))

// The first call of each through the linkage table runs the loader's resolver.
long fixture_lazy(const char *text) {
  return strtol(text, NULL, 10) + (long)strlen(text) + strcspn(text, "z") + abs(atoi(text));
}

// A stack aligned to 32 and 64 bytes, with a variable part.
APART static double aligned(int n, const double *in) {
  _Alignas(64) volatile double lanes[8];
  double *room = alloca((size_t)n * sizeof *room);
  for (int i = 0; i < n; i++) room[i] = in[i & 7];
  for (int i = 0; i < 8; i++) lanes[i] = room[i % n];
  double sum = 0;
  for (int i = 0; i < 8; i++) sum += lanes[i];
  return sum;
}
double fixture_aligned(int n) {
  double in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  return aligned(n, in) + aligned(n + 1, in);
}

// Many saved registers and an early return, so that rows are remembered and restored.
APART long fixture_branches(long a, long b, long c, long d, long e, long f) {
  if (a == 0) return b;
  long x[40];
  for (int i = 0; i < 40; i++) x[i] = a * i + b ^ c;
  if (b == 1) {
    free(malloc((size_t)x[3] & 1023));
    return x[(unsigned long)c % 40] + fixture_branches(a - 1, b, x[5], d, e, f);
  }
  if (c == 2) return d + e;
  for (int i = 1; i < 40; i++) x[i] += x[i - 1] * d + e / (f | 1);
  return x[39] + fixture_branches(a - 1, 1, c, d, e, f);
}

// A frame of more than 32 KiB: its offsets do not fit into 16 bits.
APART int fixture_large(int n) {
  volatile char room[40000];
  memset((char *)room, n, sizeof room);
  return room[n] + (n > 0 ? fixture_branches(2, 3, 4, 5, 6, n) & 1 : 0);
}

// The call of a function that does not return is the last instruction of its caller.
static void (*escape)(void *);
static void *escape_argument;
__attribute__((noreturn, noinline, noclone)) static void leave(int n) {
  char text[64];
  snprintf(text, sizeof text, "%d", n);
  __builtin_longjmp(escape_argument, 1);
}
APART static int ends_in_call(int n) {
  if (n < 0) return n;
  leave(n);
}
int fixture_noreturn(int n) {
  void *buffer[5];
  escape_argument = buffer;
  (void)escape;
  if (__builtin_setjmp(buffer)) return 1;
  return ends_in_call(n);
}

// Sixteen numbers at a time: the few vector operations that the decoder needs, once for each
// instruction set. The rest of the decoder is written with these and holds no intrinsics.
//
// One of the three sections is compiled, by the flags of the object file. All of them sum in the
// same order, lane by lane, so that a result never depends on how many rows are computed together;
// between instruction sets results may differ in the last bits, because only some fuse
// multiplication and addition.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16;

inline uint16_t to_bf16(float x) {  // to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// IEEE half precision, in which scales come; beyond its range the result is the nearest number.
inline float from_half(uint16_t h) {
    uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
        float x = float(mantissa) * 0x1p-24f;
        return sign ? -x : x;
    }
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | mantissa << 13;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

inline uint16_t to_half(float x) {
#if defined(__F16C__)
    const float limit = x < -65504.0f ? -65504.0f : x > 65504.0f ? 65504.0f : x;
    return _cvtss_sh(limit, 0);
#else
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint16_t sign = uint16_t(bits >> 16 & 0x8000);
    const float size = std::fabs(x);
    if (size >= 65504.0f) return sign | 0x7bff;
    if (size < 0x1p-14f) return sign | uint16_t(std::nearbyint(size * 0x1p24f));
    bits = (bits & 0x7fffffff) - (112u << 23);
    return sign | uint16_t((bits + 0xfff + (bits >> 13 & 1)) >> 13);
#endif
}

inline float from_bf16(uint16_t half) {
    const uint32_t bits = uint32_t(half) << 16;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
// ---------------------------------------------------------------- AVX-512 with VNNI, 32 registers
constexpr int TILE = 12;     // tokens of a product: 12 integer and 12 float sums fit the registers
constexpr int QUERIES = 12;  // queries that attend together

struct Floats { __m512 v; };
struct Ints { __m512i v; };
struct Bytes { __m512i v; };

inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Floats a) { _mm512_storeu_ps(p, a.v); }
inline Floats splat(float x) { return {_mm512_set1_ps(x)}; }
inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Floats abs(Floats a) { return {_mm512_abs_ps(a.v)}; }
inline Floats round(Floats a) { return {_mm512_roundscale_ps(a.v, 0)}; }
inline Floats times_two_to(Floats a, Floats n) { return {_mm512_scalef_ps(a.v, n.v)}; }
inline Floats first_lanes(Floats a, int n, float other) {  // `other` from lane n on
    __mmask16 keep = n >= LANES ? 0xffff : static_cast<__mmask16>((1u << n) - 1);
    return {_mm512_mask_blend_ps(keep, _mm512_set1_ps(other), a.v)};
}
inline Floats halves(const uint16_t* p) {  // 16 numbers of IEEE half precision
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Floats bf16s(const uint16_t* p) {
    __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
}
inline void store_bytes(int8_t* p, Floats a) {  // whole numbers from -127 to 127
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}

inline Bytes load_bytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline Bytes low_nibbles(Bytes a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
inline Bytes high_nibbles(Bytes a) {
    return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
inline Ints zero() { return {_mm512_setzero_si512()}; }
inline Floats to_floats(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }
// sum + w * x for four bytes w of each lane and the four signed bytes of x. Weights of 8 bits are
// stored plus 128, because the instruction wants one side unsigned; `begin8` takes that back.
inline Ints begin8(int32_t minus_128_sums) { return {_mm512_set1_epi32(minus_128_sums)}; }
inline Ints dot8(Ints sum, Bytes w, int32_t x) {
    return {_mm512_dpbusd_epi32(sum.v, w.v, _mm512_set1_epi32(x))};
}
inline Ints dot4(Ints sum, Bytes w, int32_t x) { return dot8(sum, w, x); }

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
// ------------------------------------------------------------------------- AVX2, 16 registers
constexpr int TILE = 4;
constexpr int QUERIES = 4;

struct Floats { __m256 a, b; };
struct Ints { __m256i a, b; };
struct Bytes { __m256i a, b; };

inline Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
inline Floats splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats operator+(Floats x, Floats y) {
    return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline Floats operator*(Floats x, Floats y) {
    return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline Floats operator/(Floats x, Floats y) {
    return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline Floats fma(Floats x, Floats y, Floats z) {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Floats max(Floats x, Floats y) {
    return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline Floats min(Floats x, Floats y) {
    return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
inline Floats abs(Floats x) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline Floats round(Floats x) {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(x.a, nearest), _mm256_round_ps(x.b, nearest)};
}
inline __m256 times_two_to(__m256 x, __m256 n) {  // n from -126 to 127
    __m256i bits = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), bits));
}
inline Floats times_two_to(Floats x, Floats n) {
    return {times_two_to(x.a, n.a), times_two_to(x.b, n.b)};
}
inline Floats first_lanes(Floats x, int n, float other) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256 keep_a = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
    __m256 keep_b = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), lane));
    __m256 rest = _mm256_set1_ps(other);
    return {_mm256_blendv_ps(rest, x.a, keep_a), _mm256_blendv_ps(rest, x.b, keep_b)};
}
inline Floats halves(const uint16_t* p) {
    auto q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline Bytes load_bytes(const void* p) {
    auto q = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline __m256 eight_bf16(const uint16_t* p) {
    __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
inline Floats bf16s(const uint16_t* p) { return {eight_bf16(p), eight_bf16(p + 8)}; }
inline void store_bytes(int8_t* p, Floats x) {
    __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    words = _mm256_permute4x64_epi64(words, 0xd8);  // packing works in halves of the register
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words),
                                    _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
inline Bytes low_nibbles(Bytes x) {
    __m256i mask = _mm256_set1_epi8(15);
    return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
inline Bytes high_nibbles(Bytes x) {
    return low_nibbles({_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)});
}
inline Ints zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Floats to_floats(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline Ints begin8(int32_t) { return zero(); }
inline __m256i dot_unsigned(__m256i sum, __m256i w, __m256i x) {  // |w x| + |w' x'| < 2^15
    __m256i words = _mm256_maddubs_epi16(w, x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}
inline __m256i dot_signed(__m256i sum, __m256i w, __m256i x) {
    w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));  // stored plus 128
    return dot_unsigned(sum, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}
inline Ints dot8(Ints sum, Bytes w, int32_t x) {
    __m256i four = _mm256_set1_epi32(x);
    return {dot_signed(sum.a, w.a, four), dot_signed(sum.b, w.b, four)};
}
inline Ints dot4(Ints sum, Bytes w, int32_t x) {
    __m256i four = _mm256_set1_epi32(x);
    return {dot_unsigned(sum.a, w.a, four), dot_unsigned(sum.b, w.b, four)};
}

#else
// ------------------------------------------ any processor; the compiler may vectorize the loops
constexpr int TILE = 4;
constexpr int QUERIES = 4;

struct Floats { float v[LANES]; };
struct Ints { int32_t v[LANES]; };
struct Bytes { uint8_t v[4 * LANES]; };

template <class F> inline Floats each(F f) {
    Floats r;
    for (int i = 0; i < LANES; ++i) r.v[i] = f(i);
    return r;
}
inline Floats load(const float* p) { return each([=](int i) { return p[i]; }); }
inline void store(float* p, Floats a) { std::memcpy(p, a.v, sizeof a.v); }
inline Floats splat(float x) { return each([=](int) { return x; }); }
inline Floats operator+(Floats a, Floats b) { return each([&](int i) { return a.v[i] + b.v[i]; }); }
inline Floats operator*(Floats a, Floats b) { return each([&](int i) { return a.v[i] * b.v[i]; }); }
inline Floats operator/(Floats a, Floats b) { return each([&](int i) { return a.v[i] / b.v[i]; }); }
inline Floats fma(Floats a, Floats b, Floats c) {
    return each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline Floats max(Floats a, Floats b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats min(Floats a, Floats b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats abs(Floats a) { return each([&](int i) { return std::fabs(a.v[i]); }); }
inline Floats round(Floats a) { return each([&](int i) { return std::nearbyint(a.v[i]); }); }
inline Floats times_two_to(Floats a, Floats n) {
    return each([&](int i) { return std::ldexp(a.v[i], int(n.v[i])); });
}
inline Floats first_lanes(Floats a, int n, float other) {
    return each([&](int i) { return i < n ? a.v[i] : other; });
}
inline Floats halves(const uint16_t* p) { return each([=](int i) { return from_half(p[i]); }); }
inline Floats bf16s(const uint16_t* p) { return each([=](int i) { return from_bf16(p[i]); }); }
inline void store_bytes(int8_t* p, Floats a) {
    for (int i = 0; i < LANES; ++i) p[i] = int8_t(a.v[i]);
}
inline Bytes load_bytes(const uint8_t* p) {
    Bytes r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
}
inline Bytes low_nibbles(Bytes a) {
    for (uint8_t& x : a.v) x &= 15;
    return a;
}
inline Bytes high_nibbles(Bytes a) {
    for (uint8_t& x : a.v) x >>= 4;
    return a;
}
inline Ints zero() { return {}; }
inline Floats to_floats(Ints a) { return each([&](int i) { return float(a.v[i]); }); }
inline Ints begin8(int32_t minus_128_sums) {
    Ints r;
    for (int32_t& x : r.v) x = minus_128_sums;
    return r;
}
inline Ints dot8(Ints sum, Bytes w, int32_t x) {
    int8_t four[4];
    std::memcpy(four, &x, 4);
    for (int i = 0; i < LANES; ++i)
        for (int j = 0; j < 4; ++j) sum.v[i] += int32_t(w.v[4 * i + j]) * four[j];
    return sum;
}
inline Ints dot4(Ints sum, Bytes w, int32_t x) { return dot8(sum, w, x); }
#endif

// -------------------------------------------------------------------- the same everywhere

inline float sum_lanes(Floats a) {  // pairwise, in one fixed order
    float v[LANES];
    store(v, a);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) v[i] += v[i + half];
    return v[0];
}

inline float max_lanes(Floats a) {
    float v[LANES];
    store(v, a);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) v[i] = v[i] > v[i + half] ? v[i] : v[i + half];
    return v[0];
}

// e^x to about one unit in the last place. x = n ln 2 + r; e^r as the polynomial of Cephes
// (Moshier 1992). Beyond -87 and 88 the result stays at the smallest and largest number.
inline Floats exp(Floats x) {
    x = min(max(x, splat(-87.0f)), splat(88.0f));
    Floats n = round(x * splat(1.44269504f));
    Floats r = fma(n, splat(-0.693359375f), x);
    r = fma(n, splat(2.12194440e-4f), r);
    Floats p = splat(1.9875691500e-4f);
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                    5.0000001201e-1f})
        p = fma(p, r, splat(c));
    p = fma(p, r * r, r + splat(1.0f));
    return times_two_to(p, n);
}

}  // namespace

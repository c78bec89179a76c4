// The library's two functions, and the choice among instruction sets that this processor has.
#include <thread>
#include <vector>

#include "decoder.hpp"

extern "C" {

#define DECLARE(isa)                                     \
    long scratch_bytes_##isa(const Model*, const Batch*); \
    long block_bytes_##isa(const Model*, int);            \
    void run_##isa(const Model*, const Batch*, const Team*);
DECLARE(portable)
#ifdef WITH_X86
DECLARE(avx2)
DECLARE(avx512)
#endif
}

namespace {

struct Choice {
    const char* name;
    long (*scratch_bytes)(const Model*, const Batch*);
    long (*block_bytes)(const Model*, int);
    void (*run)(const Model*, const Batch*, const Team*);
    bool here;  // whether this processor can
};

const Choice* choices(int* count) {
#ifdef WITH_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    static const Choice all[] = {{"avx512", scratch_bytes_avx512, block_bytes_avx512, run_avx512, avx512},
                                 {"avx2", scratch_bytes_avx2, block_bytes_avx2, run_avx2, avx2},
                                 {"portable", scratch_bytes_portable, block_bytes_portable, run_portable, true}};
    *count = 3;
#else
    static const Choice all[] = {{"portable", scratch_bytes_portable, block_bytes_portable, run_portable, true}};
    *count = 1;
#endif
    return all;
}

thread_local int own_index = 0, own_size = 1;

void start_own(void (*call)(void*), void* argument, unsigned threads, unsigned) {
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i)
        others.emplace_back([=] {
            own_index = int(i), own_size = int(threads);
            call(argument);
        });
    own_index = 0, own_size = int(threads);
    call(argument);
    for (std::thread& other : others) other.join();
}

}  // namespace

extern "C" {

// Name of choice number `i`, the best first; null past the last. `here`: whether it can run.
const char* autogpt_choice(int i, int* here) {
    int count;
    const Choice* all = choices(&count);
    if (i < 0 || i >= count) return nullptr;
    *here = all[i].here;
    return all[i].name;
}

long autogpt_scratch_bytes(int choice, const Model* model, const Batch* batch) {
    int count;
    return choices(&count)[choice].scratch_bytes(model, batch);
}

long autogpt_block_bytes(int choice, const Model* model, int of_values) {
    int count;
    return choices(&count)[choice].block_bytes(model, of_values);
}

void autogpt_run(int choice, const Model* model, const Batch* batch, const Team* team) {
    int count;
    Team own = *team;
    if (!own.start) {
        own.start = start_own;
        own.index = [] { return own_index; };
        own.size = [] { return own_size; };
    }
    choices(&count)[choice].run(model, batch, &own);
}
}

// A team of threads that run the same function and meet at barriers.
//
// The threads are torch's own (OpenMP), where Python found them: two pools would fight for the
// cores, because idle OpenMP threads spin for a while. Else they are started for each step.
#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "decoder.hpp"

namespace {

struct Share {
    long begin, end;
};

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

struct Barrier {
    alignas(64) std::atomic<int> arrived{0};
    alignas(64) std::atomic<int> round{0};
    std::atomic<int> sleepers{0};
    std::mutex mutex;
    std::condition_variable woken;

    void wait(int size) {
        const int now = round;
        if (arrived.fetch_add(1) == size - 1) {
            arrived = 0;
            round = now + 1;
            if (sleepers) {
                std::lock_guard<std::mutex> lock(mutex);
                woken.notify_all();
            }
            return;
        }
        for (int spins = 0; spins < 2000; ++spins) {  // phases take microseconds
            if (round != now) return;
            relax();
        }
        // Others use the core of a thread we wait for. Sleeping lets it have ours, and brings us
        // back at once, where yielding would cost a time slice at every barrier.
        ++sleepers;
        std::unique_lock<std::mutex> lock(mutex);
        woken.wait(lock, [&] { return round != now; });
        --sleepers;
    }
};

struct Crew {
    int index, size;
    Barrier& barrier;

    void wait() { barrier.wait(size); }
    Share share(long count) const { return {count * index / size, count * (index + 1) / size}; }
};

thread_local int own_index = 0, own_size = 1;

void start_own(void (*call)(void*), void* argument, unsigned threads, unsigned) {
    std::atomic<int> size{0};  // known when it is known how many threads could be had
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < int(threads); ++i)
            others.emplace_back([&size, call, argument, i] {
                while (!size) std::this_thread::yield();
                own_index = i, own_size = size;
                call(argument);
            });
    } catch (const std::exception&) {  // the system has no more: fewer do the work
    }
    own_index = 0, own_size = int(others.size()) + 1;
    size = own_size;
    call(argument);
    for (std::thread& other : others) other.join();
}

template <class Work> void run_team(const Team& team, Work work) {
    struct Call {
        const Team& team;
        Work& work;
        Barrier barrier;
    } call{team, work, {}};
    (team.start ? team.start : start_own)(
        [](void* argument) {
            Call& c = *static_cast<Call*>(argument);
            Crew crew = c.team.start ? Crew{c.team.index(), c.team.size(), c.barrier}
                                     : Crew{own_index, own_size, c.barrier};
            c.work(crew);
        },
        &call, unsigned(team.threads), 0);
}

}  // namespace

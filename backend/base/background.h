// Threads for long work that nobody waits for at once, as uploads of chunks and their checksums.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <memory>

namespace swiftness {

// So many threads, which give way to every other thread of the machine that has something to do:
// the event loop gets its processor back within a fraction of a millisecond, not when the
// scheduler's slice of 3 ms ends. As far as the system lets them.
std::unique_ptr<boost::asio::thread_pool> background_threads(size_t count);

}  // namespace swiftness

#include "backend/base/background.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/asio/post.hpp>

#include <latch>
#include <mutex>
#include <vector>

namespace swiftness {
namespace {

TEST(Background, EachThreadGivesWayAndThisOneDoesNot) {
  const int before = getpriority(PRIO_PROCESS, 0);
  constexpr int kThreads = 3;
  std::latch all_run(kThreads);  // no thread takes two
  std::mutex mutex;
  std::vector<int> nice;
  auto pool = background_threads(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    boost::asio::post(*pool, [&] {
      all_run.arrive_and_wait();
      const std::lock_guard lock(mutex);
      nice.push_back(getpriority(PRIO_PROCESS, 0));
    });
  }
  pool->join();
  EXPECT_EQ(nice, std::vector<int>(kThreads, 19));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

}  // namespace
}  // namespace swiftness

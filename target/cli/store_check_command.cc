#include "target/cli/store_check_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>

#include "backend/swift/store_check.h"
#include "backend/volume/format.h"
#include "backend/volume/names.h"
#include "target/cli/failure.h"
#include "target/cli/json_text.h"
#include "target/cli/progress.h"
#include "target/cli/store_check_report.h"
#include "target/cli/table.h"
#include "target/cli/wait.h"

namespace swiftness::cli {
namespace {

constexpr int kGivenUp = 130;  // as a shell has it for SIGINT

StoreNeeds needs_of_volumes(const SwiftStoreConfig& config) {
  StoreNeeds needs;
  const Sequence last(kMostChunks);
  const VolumeNames names(Uuid::random());
  const ObjectName longest = names.chunk(Era{Epoch(UINT64_MAX), Uuid::random()}, last);
  needs.object_bytes = kChunkBytes;
  needs.object_name_bytes = longest.name.size();
  needs.container_name_bytes = config.prefix.size() + 1 + longest.container.size();
  needs.container_objects = kChunksPerContainer;
  needs.parallel = kMostUploadsInFlight;
  return needs;
}

using CheckLine = ProgressLine<StoreCheckProgress>;

// The first signal lets the check tidy up, the second does not wait for that.
class Interruption {
 public:
  Interruption(asio::io_context& io, StoreCheck& check, CheckLine& line)
      : signals_(io, SIGINT, SIGTERM, SIGHUP), check_(check), line_(line) {
    wait();
  }
  void cancel() { signals_.cancel(); }

 private:
  void wait() {
    signals_.async_wait([this](boost::system::error_code failed, int) {
      if (!failed) interrupt();
    });
  }
  void interrupt() {
    line_.clear();
    if (stopping_) {
      fmt::print(stderr,
                 "swiftness: given up; left behind: the container {} and what is in it (see "
                 "swiftness store list, delete and remove-container)\n",
                 check_.container());
      _exit(kGivenUp);
    }
    stopping_ = true;
    fmt::print(stderr, "swiftness: stopping, and deleting what the check has written\n");
    check_.stop();
    wait();
  }

  asio::signal_set signals_;
  StoreCheck& check_;
  CheckLine& line_;
  bool stopping_ = false;
};

Async<StoreFacts> carry_out(StoreCheck& check, CheckLine& line, Interruption& interruption) {
  const StoreCheck::Progress progress = [&line](const StoreCheckProgress& at) { line.show(at); };
  Result<StoreFacts> facts = co_await check.run(progress);
  interruption.cancel();
  co_return facts;
}

}  // namespace

int store_check(const Common& common, const StoreRequest& request) {
  std::variant<SwiftStoreConfig, int> chosen = choose_swift(common, request);
  if (const int* code = std::get_if<int>(&chosen)) return *code;
  const auto& config = std::get<SwiftStoreConfig>(chosen);
  StoreCheckOptions options =
      request.quick ? StoreCheckOptions::quick() : StoreCheckOptions::full();
  options.needs = needs_of_volumes(config);
  asio::io_context io(1);
  Result<std::unique_ptr<StoreCheck>> check = StoreCheck::open(config, io.get_executor(), options);
  if (!check) return fail(check.error());
  fmt::print(stderr,
             "This takes about {} s, writes at most {} into a container of its own ({}), and "
             "deletes all of it\n",
             request.quick ? 15 : 60, human_size(options.most_bytes()), (*check)->container());
  Result<StoreFacts> facts = Error(ErrorCode::unavailable, "no answer");
  CheckLine line(&progress_line);
  {
    Interruption interruption(io, **check, line);
    facts = wait_for<StoreFacts>(io, carry_out(**check, line, interruption));
  }
  line.clear();
  if (!facts) return fail(facts.error());
  const StoreVerdict verdict = judge_store(*facts, options.needs);
  if (common.json) {
    fmt::print("{}", json_text(json_of(*facts, verdict, request.quick)));
  } else {
    fmt::print("{}", text_of(*facts, verdict));
  }
  return exit_code_of(*facts, verdict);
}

}  // namespace swiftness::cli

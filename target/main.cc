// swiftnessd: reads the configuration, runs the gateway until a signal, stops it.
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backend/base/log.h"
#include "backend/base/version.h"
#include "config/config.h"
#include "target/gateway/gateway.h"
#include "target/huge_pages.h"

namespace swiftness {
namespace {

constexpr int kDone = 0, kFailed = 1, kUsage = 2;  // exit codes

// From SIGTERM to the end, whatever the stores do. Within what service managers grant.
constexpr Duration kStopTime = std::chrono::seconds(20);

constexpr const char* kFooter = R"(Example:
  swiftness config example > gateway.yaml
  swiftnessd --config gateway.yaml

SIGTERM and SIGINT stop it: sessions end, written data go to their store (for at most 20 s). A second
signal ends it at once; what was flushed is safe all the same. SIGHUP has it read the configuration
anew, as "swiftness reload" does.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.)";

struct Arguments {
  std::string config;
  log::Level log_level = log::Level::info;
  bool only_check = false;
  std::vector<std::string> forced;
};

// The process's signals, and how it ends.
class Supervisor {
 public:
  Supervisor(asio::io_context& io, Gateway& gateway)
      : gateway_(gateway), gate_(io.get_executor()), signals_(io, SIGTERM, SIGINT, SIGHUP) {}

  void start() { gate_.spawn("supervisor", run()); }
  int exit_code() const noexcept { return exit_code_; }

 private:
  // SIGTERM or SIGINT; 0 when the wait was given up.
  asio::awaitable<int> next_stop_signal() {
    for (;;) {
      boost::system::error_code ec;
      int signal = co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      if (ec) co_return 0;
      if (signal != SIGHUP) co_return signal;
      gate_.spawn("reload", reload());
    }
  }

  Task reload() {
    Result<admin::ReloadReport> done = co_await gateway_.reload();
    (void)done;  // what came of it is in the log
  }

  Task run() {
    co_await next_stop_signal();
    log::info("stopping");
    gate_.spawn("second signal", end_at_second_signal());
    StopOutcome outcome = co_await gateway_.stop(kStopTime);
    exit_code_ = outcome == StopOutcome::data_lost ? kFailed : kDone;
    if (outcome == StopOutcome::unfinished) log::info("stopped; a store still has not answered");
    if (outcome != StopOutcome::clean) std::_Exit(exit_code_);
    log::info("stopped");
    signals_.cancel();
  }

  Task end_at_second_signal() {
    int signal = co_await next_stop_signal();
    if (signal == 0) co_return;
    log::warning("second signal: ending at once");
    std::_Exit(kFailed);
  }

  Gateway& gateway_;
  Gate gate_;
  asio::signal_set signals_;
  int exit_code_ = kDone;
};

int serve(config::Config config, const std::filesystem::path& file, std::set<std::string> forced) {
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io(1);
  auto load = [file = std::filesystem::absolute(file)] { return config::load(file); };
  Gateway gateway(io.get_executor(), std::move(config), std::move(forced), std::move(load));
  Result<void> started = gateway.start();
  if (!started) {
    log::error("{}", started.error().message());
    return kFailed;
  }
  Supervisor supervisor(io, gateway);
  supervisor.start();
  io.run();
  return supervisor.exit_code();
}

int run(const Arguments& arguments) {
  log::set_level(arguments.log_level);
  config::Outcome outcome = config::load(arguments.config);
  for (const std::string& line : outcome.warnings)
    std::fprintf(stderr, "warning: %s\n", line.c_str());
  for (const std::string& line : outcome.errors) std::fprintf(stderr, "error: %s\n", line.c_str());
  if (!outcome.config) return kUsage;
  if (arguments.only_check) {
    std::printf("%s is right\n", arguments.config.c_str());
    return kDone;
  }
  for (const std::string& name : arguments.forced) {
    if (outcome.config->find_volume(name) != nullptr) continue;
    std::fprintf(stderr, "error: --force-attach: the configuration has no volume \"%s\"\n",
                 name.c_str());
    return kUsage;
  }
  return serve(std::move(*outcome.config), arguments.config,
               {arguments.forced.begin(), arguments.forced.end()});
}

}  // namespace
}  // namespace swiftness

int main(int argc, char** argv) {
  using namespace swiftness;
#ifdef SWIFTNESS_TCMALLOC
  use_huge_pages();
#endif
  Arguments arguments;
  CLI::App app("swiftnessd: an iSCSI target that keeps its disks in an object store", "swiftnessd");
  app.set_version_flag("--version", kVersion);
  app.footer(kFooter);
  app.add_option("--config", arguments.config, "The configuration (gateway.yaml)")
      ->required()
      ->type_name("FILE");
  const std::map<std::string, log::Level> levels = {{"debug", log::Level::debug},
                                                    {"info", log::Level::info},
                                                    {"warning", log::Level::warning},
                                                    {"error", log::Level::error}};
  app.add_option("--log-level", arguments.log_level,
                 "Least severe lines logged: debug, info, warning or error (default: info)")
      ->transform(CLI::Transformer(levels).description(""))
      ->type_name("LEVEL");
  app.add_option("--force-attach", arguments.forced,
                 "Attach this volume even if another gateway may have data of it in its journal "
                 "that are not in the store: they are abandoned for good. May be repeated")
      ->type_name("VOLUME");
  app.add_flag("--check", arguments.only_check, "Only check the configuration");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }
  try {
    return run(arguments);
  } catch (const std::exception& e) {
    log::error("{}", e.what());
    return kFailed;
  }
}

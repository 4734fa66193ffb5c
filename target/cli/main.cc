// swiftness: the command line. Here are its words and their help; commands.cc does the work.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "backend/base/version.h"
#include "target/cli/commands.h"
#include "target/cli/store_words.h"

namespace swiftness::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  swiftness config example > gateway.yaml      a configuration to start from
  swiftness config check gateway.yaml          what is wrong with it, if anything
  swiftness status --config gateway.yaml       the gateway that runs with it
  swiftness volume create data --size 10GiB
  swiftness volume list --json

"swiftness COMMAND --help" tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.)";

struct Words {
  Common common;
  VolumeToCreate create;
  VolumeToCheck check;
  StoreRequest store;
  std::string volume;
  std::string file;
  std::string drain_to;
  std::function<int()> chosen;
};

// A command that can print JSON.
CLI::App* add(CLI::App& to, const char* name, const char* what, Words& words,
              int (*run)(const Words&)) {
  CLI::App* command = to.add_subcommand(name, what)->fallthrough();
  command->add_flag("--json", words.common.json, "Print JSON");
  command->callback([&words, run] { words.chosen = [&words, run] { return run(words); }; });
  return command;
}

void add_offline(CLI::App* command, Words& words) {
  command->add_flag("--offline", words.common.offline,
                    "Ask the stores of --config FILE directly; works without a gateway");
}

constexpr const char* kCheckFooter =
    R"(Reads the stores of --config FILE directly, whether a gateway serves the volume or not: it changes
nothing and disturbs nobody. Finds damage (what is surely wrong), doubt (what the store cannot say for
certain just now) and orphans (objects nothing refers to: they cost room and are no fault).

--repair deletes orphans that are proven to be needed by no gateway, and nothing else; never of a
volume with damage or doubt. It refuses a volume that its last gateway has not released by ending
properly. With --offline you say that this gateway is gone.

Exit codes: 0 sound, 1 damaged, in doubt or not repaired, 2 wrong usage or configuration.
The keys of --json: docs/OPERATIONS.md.

Example:
  swiftness volume check data --config gateway.yaml
  swiftness volume check data --config gateway.yaml --quick --json)";

void add_volume_check(CLI::App& volume, Words& words) {
  CLI::App* check = add(volume, "check", "Verify all that is in the store of a volume", words,
                        [](const Words& w) { return volume_check(w.common, w.check); });
  check->footer(kCheckFooter);
  check->add_option("name", words.check.name, "The volume")->required()->type_name("NAME");
  check->add_flag("--quick", words.check.quick, "Headers and map only; data are not read");
  check->add_flag("--repair", words.check.repair, "Delete orphans");
  check->add_flag("--offline", words.common.offline,
                  "With --repair: the gateway that had the volume last is gone");
}

void add_volume_commands(CLI::App& app, Words& words) {
  CLI::App* volume =
      app.add_subcommand("volume", "Volumes: create, list, show, check")->fallthrough();

  CLI::App* create = add(*volume, "create", "Create a thin volume in a store", words,
                         [](const Words& w) { return volume_create(w.common, w.create); });
  create->footer(
      "Example:\n  swiftness volume create data --size 10GiB --store cloud --block-size 4096");
  create->add_option("name", words.create.name, "1 to 64 of a-z, 0-9, '.', '_' and '-'")
      ->required()
      ->type_name("NAME");
  create
      ->add_option("--size", words.create.size, "Its capacity; nothing is allocated until written")
      ->required()
      ->type_name("SIZE");
  create
      ->add_option("--store", words.create.store,
                   "A store of the configuration (default: the only one)")
      ->type_name("STORE");
  create
      ->add_option("--block-size", words.create.block_size, "Logical block in bytes (default: 512)")
      ->check(CLI::IsMember({512, 4096}).description(""))
      ->type_name("512|4096");

  CLI::App* list = add(*volume, "list", "Volumes served, and others in the stores", words,
                       [](const Words& w) { return volume_list(w.common); });
  add_offline(list, words);
  list->footer("Example:\n  swiftness volume list --offline --config gateway.yaml");

  CLI::App* show = add(*volume, "show", "All that is known of one volume", words,
                       [](const Words& w) { return volume_show(w.common, w.volume); });
  add_offline(show, words);
  show->footer("Example:\n  swiftness volume show data");
  show->add_option("name", words.volume, "The volume")->required()->type_name("NAME");

  add_volume_check(*volume, words);
}

constexpr const char* kDrainFooter =
    R"(Sessions that do not log out within 2 s are closed. With --to, logins are answered with this
address (login redirection); initiators go there and come back by themselves. Without it they are
refused, and initiators keep trying. Volumes stay attached: to move them, stop this gateway before
the other attaches. A restart forgets the drain.

Example:
  swiftness drain --to 192.0.2.7)";

constexpr const char* kReloadFooter =
    R"(The gateway reads the configuration it was started with anew, and goes over to it as a whole; or,
when something is wrong or cannot change while it runs, not at all, and says what. Files of secrets
are read too. What can change: targets, their LUNs and access, volumes, stores that no volume uses.
New volumes are attached in the background, those taken out are released; "swiftness status" shows
both. SIGHUP does the same, and the log has what this prints.

Example:
  swiftness reload)";

void add_config_commands(CLI::App& app, Words& words) {
  CLI::App* config = app.add_subcommand("config", "Configurations: check, example");

  CLI::App* check =
      config->add_subcommand("check", "Check a configuration; works without a gateway");
  check->footer("Example:\n  swiftness config check gateway.yaml");
  check->add_option("file", words.file, "The configuration")->required()->type_name("FILE");
  check->callback([&words] { words.chosen = [&words] { return config_check(words.file); }; });

  CLI::App* example =
      config->add_subcommand("example", "Print a commented configuration that works as it is");
  example->footer("Example:\n  swiftness config example > gateway.yaml");
  example->callback([&words] { words.chosen = [] { return config_example(); }; });
}

void add_commands(CLI::App& app, Words& words) {
  app.add_option("--socket", words.common.socket,
                 "The gateway's socket (default: /var/lib/swiftness/admin.sock)")
      ->type_name("PATH");
  app.add_option("--config", words.common.config,
                 "The gateway's configuration, which says where the socket is")
      ->type_name("FILE");

  add(app, "status", "The gateway and its volumes", words, [](const Words& w) {
    return status(w.common);
  })->footer("Example:\n  swiftness status --config gateway.yaml");

  add_volume_commands(app, words);

  add(app, "sessions", "Initiators that are logged in", words, [](const Words& w) {
    return sessions(w.common);
  })->footer("Example:\n  swiftness sessions --json");

  CLI::App* drain_command = add(app, "drain", "Ask all initiators to log out, and let none log in",
                                words, [](const Words& w) { return drain(w.common, w.drain_to); });
  drain_command->footer(kDrainFooter);
  drain_command
      ->add_option("--to", words.drain_to, "A portal of the gateway that has the targets meanwhile")
      ->type_name("ADDRESS[:PORT]");

  add(app, "resume", "Let initiators log in again after a drain", words, [](const Words& w) {
    return resume(w.common);
  })->footer("Example:\n  swiftness resume");

  add(app, "reload", "Go over to the changed configuration", words, [](const Words& w) {
    return reload(w.common);
  })->footer(kReloadFooter);

  CLI::App* target = app.add_subcommand("target", "Targets: list")->fallthrough();
  add(*target, "list", "Targets, their LUNs and who may use them", words, [](const Words& w) {
    return target_list(w.common);
  })->footer("Example:\n  swiftness target list");

  add_config_commands(app, words);
  add_store_commands(app, words.common, words.store, words.chosen);
}

}  // namespace
}  // namespace swiftness::cli

int main(int argc, char** argv) {
  using namespace swiftness;
  cli::Words words;
  CLI::App app("swiftness: looks at and changes a running gateway (swiftnessd)", "swiftness");
  app.set_version_flag("--version", kVersion);
  app.footer(cli::kFooter);
  cli::add_commands(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? cli::kDone : cli::kUsage;
  }
  if (!words.chosen) {  // "swiftness", "swiftness volume": show what could follow
    const std::vector<CLI::App*> group = app.get_subcommands();
    const std::string help = group.empty() ? app.help() : group.front()->help(app.get_name());
    std::fputs(help.c_str(), stderr);
    return cli::kUsage;
  }
  try {
    return words.chosen();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "swiftness: %s\n", e.what());
    return cli::kFailed;
  }
}

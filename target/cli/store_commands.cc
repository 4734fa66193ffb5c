#include "target/cli/store_commands.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <variant>

#include "config/config.h"
#include "target/cli/failure.h"
#include "target/cli/json_text.h"
#include "target/cli/table.h"
#include "target/cli/wait.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

int failed_with(int error, const std::string& what) {
  return fail(kFailed, fmt::format("{}: {}", what, std::strerror(error)));
}

// ---------------------------------------------------------------- the store
template <class T>
using StoreCall = std::function<Async<T>(SwiftAccount&)>;

// Asks the store meant, and gives what it answers to `show`, which returns the exit code.
template <class T, class Show>
int ask_swift(const Common& common, const StoreRequest& request, StoreCall<T> question, Show show) {
  std::variant<SwiftStoreConfig, int> config = choose_swift(common, request);
  if (const int* code = std::get_if<int>(&config)) return *code;
  asio::io_context io(1);
  Result<std::unique_ptr<SwiftAccount>> account =
      SwiftAccount::open(std::get<SwiftStoreConfig>(std::move(config)), io.get_executor());
  if (!account) return fail(account.error());
  Result<T> answer = wait_for<T>(io, question(**account));
  if (!answer) return fail(answer.error());
  return show(answer);
}

// ---------------------------------------------------------------- files
int write_out(const StoreRequest& request, std::string_view text) {
  const bool to_file = !request.output.empty() && request.output != "-";
  File file(to_file ? std::fopen(request.output.c_str(), "wb") : nullptr);
  const std::string where = to_file ? request.output : "standard output";
  if (to_file && !file) return failed_with(errno, where);
  std::FILE* out = to_file ? file.get() : stdout;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  if (!written || std::fflush(out) != 0) return failed_with(errno, where);
  if (to_file && std::fclose(file.release()) != 0) return failed_with(errno, where);
  return kDone;
}

// Grows with what comes; one byte more than may be sent is enough to know that it is too much.
Result<Bytes> read_all(std::FILE* file, const std::string& name) {
  constexpr size_t kStep = 1 << 20;
  Bytes bytes;
  for (;;) {
    const size_t before = bytes.size();
    bytes.resize(before + kStep);
    const size_t got = std::fread(bytes.data() + before, 1, kStep, file);
    bytes.resize(before + got);
    if (bytes.size() > SwiftAccount::kMostObject) {
      return Error(ErrorCode::invalid, fmt::format("{} is too large: at most {} are sent at once",
                                                   name, human_size(SwiftAccount::kMostObject)));
    }
    if (got == kStep) continue;
    if (std::ferror(file) != 0) {
      return Error(ErrorCode::unavailable, fmt::format("{}: {}", name, std::strerror(errno)));
    }
    return bytes;
  }
}

Result<Bytes> read_in(const std::string& name) {
  if (name.empty() || name == "-") return read_all(stdin, "standard input");
  File file(std::fopen(name.c_str(), "rb"));
  if (!file) return Error(ErrorCode::invalid, fmt::format("{}: {}", name, std::strerror(errno)));
  struct stat status {};
  const bool known = fstat(fileno(file.get()), &status) == 0 && S_ISREG(status.st_mode);
  if (known && static_cast<uint64_t>(status.st_size) > SwiftAccount::kMostObject) {
    return Error(ErrorCode::invalid,
                 fmt::format("{} has {} bytes; at most {} are sent at once", name, status.st_size,
                             human_size(SwiftAccount::kMostObject)));
  }
  return read_all(file.get(), name);
}

// ---------------------------------------------------------------- text for people
std::string text_of(const SwiftInfo& info) {
  auto number = [](uint64_t value) { return std::to_string(value); };
  std::string policies;
  for (const SwiftPolicy& policy : info.policies) {
    policies += fmt::format("{}{}{}", policies.empty() ? "" : ", ", policy.name,
                            policy.is_default ? " (default)" : "");
  }
  std::vector<std::vector<std::string>> rows = {
      {"Version", info.version},
      {"Storage policies", policies},
      {"max_file_size", fmt::format("{} ({})", info.max_file_size, human_size(info.max_file_size))},
      {"max_object_name_length", number(info.max_object_name_length)},
      {"max_container_name_length", number(info.max_container_name_length)},
      {"max_meta_count", number(info.max_meta_count)},
      {"max_meta_name_length", number(info.max_meta_name_length)},
      {"max_meta_value_length", number(info.max_meta_value_length)},
      {"max_meta_overall_size", number(info.max_meta_overall_size)},
      {"max_header_size", number(info.max_header_size)},
      {"container_listing_limit", number(info.container_listing_limit)},
      {"account_listing_limit", number(info.account_listing_limit)}};
  if (info.bulk_delete) {
    rows.push_back({"Bulk delete", fmt::format("{} a request, ended after {} failures",
                                               info.bulk_delete->max_deletes_per_request,
                                               info.bulk_delete->max_failed_deletes)});
  } else {
    rows.push_back({"Bulk delete", "not offered"});
  }
  if (info.slo) {
    rows.push_back({"Static large objects",
                    fmt::format("{} segments of at least {} bytes, manifests of {} bytes",
                                info.slo->max_manifest_segments, info.slo->min_segment_size,
                                info.slo->max_manifest_size)});
  } else {
    rows.push_back({"Static large objects", "not offered"});
  }
  rows.push_back({"Middleware", fmt::format("{}", fmt::join(info.middleware, ", "))});
  return table(std::move(rows));
}

std::string text_of(const std::vector<ListedEntry>& entries, bool of_account) {
  if (entries.empty()) return of_account ? "No containers.\n" : "No objects.\n";
  std::vector<std::vector<std::string>> rows;
  if (of_account) {
    rows.push_back({"CONTAINER", "OBJECTS", "BYTES", "LAST MODIFIED"});
  } else {
    rows.push_back({"OBJECT", "BYTES", "HASH", "LAST MODIFIED", "CONTENT TYPE"});
  }
  for (const ListedEntry& entry : entries) {
    if (entry.is_subdir) {
      rows.push_back({entry.name, "", "", "", of_account ? "" : "(subdir)"});
      if (of_account) rows.back().resize(4);
    } else if (of_account) {
      rows.push_back({entry.name, std::to_string(entry.count), std::to_string(entry.bytes),
                      entry.last_modified});
    } else {
      rows.push_back({entry.name, std::to_string(entry.bytes), entry.hash, entry.last_modified,
                      entry.content_type});
    }
  }
  return table(std::move(rows));
}

// ---------------------------------------------------------------- what was meant
// The options with the metadata that were given as KEY=VALUE; or why not.
Result<WriteOptions> write_options(const StoreRequest& request) {
  WriteOptions options = request.write;
  for (const std::string& pair : request.metadata) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(ErrorCode::invalid, fmt::format("--meta: \"{}\" is not KEY=VALUE", pair));
    }
    options.metadata.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return options;
}

struct Page {
  std::vector<ListedEntry> entries;
  bool full = false;
};

Async<Page> page_of(SwiftAccount& account, std::string container, ListOptions options) {
  const std::optional<uint64_t> limit = options.limit;
  Result<std::vector<ListedEntry>> entries = co_await account.list(container, std::move(options));
  if (!entries.ok()) co_return entries.error();
  Result<SwiftInfo> info = co_await account.limits();
  if (!info.ok()) co_return info.error();
  const uint64_t most =
      container.empty() ? info->account_listing_limit : info->container_listing_limit;
  co_return Page{*entries, entries->size() >= limit.value_or(most)};
}

}  // namespace

// ---------------------------------------------------------------- the store meant
std::variant<SwiftStoreConfig, int> choose_swift(const Common& common,
                                                 const StoreRequest& request) {
  std::optional<config::Config> config = load_stores(common, "store");
  if (!config) return kUsage;
  std::vector<std::string> swifts;
  for (const auto& [name, store] : config->stores) {
    if (std::holds_alternative<SwiftStoreConfig>(store)) swifts.push_back(name);
  }
  std::string name = request.store;
  if (name.empty()) {
    if (swifts.empty()) {
      return fail(kUsage, fmt::format("{} has no store of type swift", common.config));
    }
    if (swifts.size() > 1) {
      return fail(kUsage, fmt::format("which store? --store {}", fmt::join(swifts, ", ")));
    }
    name = swifts.front();
  }
  auto found = config->stores.find(name);
  if (found == config->stores.end()) {
    return fail(kUsage, fmt::format("{} has no store \"{}\"", common.config, name));
  }
  if (const auto* swift = std::get_if<SwiftStoreConfig>(&found->second)) return *swift;
  const bool is_folder = std::holds_alternative<DirectoryStoreConfig>(found->second);
  return fail(kUsage,
              fmt::format("store \"{}\" is {}; these commands are for stores of type swift", name,
                          is_folder ? "a directory, look into it with ls" : "in memory"));
}

// ---------------------------------------------------------------- reading
int store_info(const Common& common, const StoreRequest& request) {
  auto question = [](SwiftAccount& account) { return account.info(); };
  return ask_swift<SwiftInfo>(common, request, question, [&](const Result<SwiftInfo>& info) {
    if (!common.json) return write_out(request, text_of(*info));
    return write_out(request, json_text(json::parse(info->document)));
  });
}

int store_list(const Common& common, const StoreRequest& request) {
  const std::string format = common.json ? "json" : request.format;
  if (format == "text") {
    auto question = [&request](SwiftAccount& account) {
      return page_of(account, request.path, request.list);
    };
    return ask_swift<Page>(common, request, question, [&](const Result<Page>& page) {
      const int code = write_out(request, text_of(page->entries, request.path.empty()));
      if (code == kDone && page->full && !page->entries.empty()) {
        fmt::print(stderr, "There may be more: --marker '{}'\n", page->entries.back().name);
      }
      return code;
    });
  }
  ListFormat sent = ListFormat::json;
  if (format == "xml") sent = ListFormat::xml;
  if (format == "plain") sent = ListFormat::plain;
  auto question = [&request, sent](SwiftAccount& account) {
    return account.list_document(request.path, request.list, sent);
  };
  return ask_swift<Buffer>(common, request, question, [&](const Result<Buffer>& document) {
    std::string text(document->text());
    if (!text.empty() && text.back() != '\n') text += '\n';
    return write_out(request, text);
  });
}

int store_head(const Common& common, const StoreRequest& request) {
  auto question = [&request](SwiftAccount& account) {
    return account.head(SwiftPath::parse(request.path), request.read);
  };
  return ask_swift<HttpHeaders>(common, request, question, [&](const Result<HttpHeaders>& headers) {
    json object = json::object();
    std::string text;
    for (const HttpHeader& header : headers->all()) {
      object[header.name] = header.value;
      text += fmt::format("{}: {}\n", header.name, header.value);
    }
    return write_out(request, common.json ? json_text(object) : text);
  });
}

int store_get(const Common& common, const StoreRequest& request) {
  ReadOptions options = request.read;
  if (!request.range.empty()) {
    Result<RangeSpec> range = RangeSpec::parse(request.range);
    if (!range) return fail(range.error().within("--range"));
    options.range = *range;
  }
  auto question = [&request, &options](SwiftAccount& account) {
    return account.get(SwiftPath::parse(request.path), options);
  };
  return ask_swift<SwiftObject>(common, request, question, [&](const Result<SwiftObject>& object) {
    return write_out(request, object->body.text());
  });
}

// ---------------------------------------------------------------- containers
int store_create(const Common& common, const StoreRequest& request) {
  Result<WriteOptions> options = write_options(request);
  if (!options) return fail(options.error());
  auto question = [&](SwiftAccount& account) {
    return account.create_container(request.path, request.policy, options->metadata);
  };
  return ask_swift<bool>(common, request, question, [&](const Result<bool>& made) {
    fmt::print("{} container {}\n", *made ? "Created" : "There was already a", request.path);
    return kDone;
  });
}

int store_remove_container(const Common& common, const StoreRequest& request) {
  auto question = [&request](SwiftAccount& account) {
    return account.delete_container(request.path);
  };
  return ask_swift<void>(common, request, question, [&](const Result<void>&) {
    fmt::print("Deleted container {}\n", request.path);
    return kDone;
  });
}

// ---------------------------------------------------------------- writing
int store_put(const Common& common, const StoreRequest& request) {
  Result<WriteOptions> options = write_options(request);
  if (!options) return fail(options.error());
  // Before a gigabyte is read from somewhere: is there a store?
  std::variant<SwiftStoreConfig, int> config = choose_swift(common, request);
  if (const int* code = std::get_if<int>(&config)) return *code;
  Result<Bytes> bytes = read_in(request.file);
  if (!bytes) return fail(bytes.error());
  const size_t size = bytes->size();
  const BufferList data(Buffer::own(std::move(*bytes)));
  auto question = [&](SwiftAccount& account) {
    return account.put(SwiftPath::parse(request.path), data, *options);
  };
  return ask_swift<std::string>(common, request, question, [&](const Result<std::string>& etag) {
    fmt::print("Stored {}: {} bytes, ETag {}\n", request.path, size, *etag);
    return kDone;
  });
}

int store_copy(const Common& common, const StoreRequest& request) {
  Result<WriteOptions> options = write_options(request);
  if (!options) return fail(options.error());
  const CopyMethod method = request.method == "copy" ? CopyMethod::copy : CopyMethod::put;
  auto question = [&](SwiftAccount& account) {
    return account.copy(SwiftPath::parse(request.path), SwiftPath::parse(request.target), method,
                        *options);
  };
  return ask_swift<std::string>(common, request, question, [&](const Result<std::string>& etag) {
    fmt::print("Copied {} to {}: ETag {}\n", request.path, request.target, *etag);
    return kDone;
  });
}

int store_post(const Common& common, const StoreRequest& request) {
  Result<WriteOptions> options = write_options(request);
  if (!options) return fail(options.error());
  // Of an object that would take away all it has.
  if (options->metadata.empty() && options->content_type.empty() && !options->delete_at &&
      !options->delete_after) {
    return fail(kUsage,
                "nothing to set: give --meta, --content-type, --delete-at or "
                "--delete-after");
  }
  auto question = [&](SwiftAccount& account) {
    return account.post(SwiftPath::parse(request.path), *options);
  };
  return ask_swift<void>(common, request, question, [&](const Result<void>&) {
    fmt::print("Set metadata of {}\n", request.path.empty() ? "the account" : request.path);
    return kDone;
  });
}

// ---------------------------------------------------------------- deleting
int store_delete(const Common& common, const StoreRequest& request) {
  std::vector<SwiftPath> objects;
  for (const std::string& text : request.objects) {
    objects.push_back(SwiftPath::parse(text));
    if (!objects.back().object.empty()) continue;
    return fail(kUsage, fmt::format("\"{}\" names no object (CONTAINER/OBJECT); containers: "
                                    "swiftness store remove-container",
                                    text));
  }
  if (objects.size() == 1) {
    auto question = [&objects](SwiftAccount& account) { return account.remove(objects.front()); };
    return ask_swift<void>(common, request, question, [&](const Result<void>&) {
      fmt::print("Deleted {}\n", request.objects.front());
      return kDone;
    });
  }
  auto question = [&objects](SwiftAccount& account) { return account.remove(objects); };
  return ask_swift<DeleteReport>(common, request, question, [](const Result<DeleteReport>& report) {
    fmt::print("Deleted {} objects\n", report->deleted);
    if (report->not_found > 0) {
      fmt::print(stderr, "swiftness: not there: {} of them\n", report->not_found);
    }
    for (const DeleteReport::Failure& failure : report->failures) fail(failure.error);
    return report->failures.empty() && report->not_found == 0 ? kDone : kFailed;
  });
}

}  // namespace swiftness::cli

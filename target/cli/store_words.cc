#include "target/cli/store_words.h"

#include "target/cli/store_check_command.h"

namespace swiftness::cli {
namespace {

constexpr const char* kStoreFooter =
    R"(Speaks to the Swift of --config FILE directly, no gateway is asked. Names are as Swift has them:
those of volumes begin with the store's prefix. What a volume has there is not to be changed: only
"swiftness volume" knows what its objects are for.

An object is named CONTAINER/OBJECT. Limits are the cluster's own (store info); objects of up to
1 GiB can be read and written.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

Example:
  swiftness store list --config gateway.yaml
  swiftness store list swiftness-data --prefix chunk/ --limit 10 --config gateway.yaml
  swiftness store head swiftness-data/anchor --config gateway.yaml)";

// One group of commands in the making.
struct Builder {
  CLI::App* store;
  Common& common;
  StoreRequest& request;
  std::function<int()>& chosen;

  CLI::App* add(const char* name, const char* what,
                int (*run)(const Common&, const StoreRequest&)) const {
    CLI::App* command = store->add_subcommand(name, what)->fallthrough();
    const Builder all = *this;
    command->callback(
        [all, run] { all.chosen = [all, run] { return run(all.common, all.request); }; });
    return command;
  }
  void json(CLI::App* command) const { command->add_flag("--json", common.json, "Print JSON"); }
  void output(CLI::App* command) const {
    command->add_option("--output", request.output, "Write there instead of standard output")
        ->type_name("FILE");
  }
  CLI::Option* path(CLI::App* command, const char* name, const char* what) const {
    return command->add_option("path", request.path, what)->type_name(name);
  }
  void newest(CLI::App* command) const {
    command->add_flag("--newest", request.read.newest,
                      "Ask every replica and take the newest (X-Newest)");
  }
  void metadata(CLI::App* command, const char* what) const {
    command->add_option("--meta", request.metadata, what)
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
  }
  void object_options(CLI::App* command) const {
    metadata(command, "X-Object-Meta-KEY; may be given several times");
    command->add_option("--content-type", request.write.content_type, "Content-Type")
        ->type_name("TYPE");
    CLI::Option* at = command->add_option("--delete-at", request.write.delete_at,
                                          "When it expires: seconds since 1970 (X-Delete-At)");
    at->type_name("TIME");
    command
        ->add_option("--delete-after", request.write.delete_after,
                     "In how many seconds it expires (X-Delete-After)")
        ->type_name("SECONDS")
        ->excludes(at);
  }
};

void add_looking(const Builder& add) {
  CLI::App* info =
      add.add("info", "Limits, middleware and storage policies (GET /info)", &store_info);
  info->footer("Example:\n  swiftness store info --config gateway.yaml");
  add.json(info);
  add.output(info);

  CLI::App* list = add.add("list", "Containers, or the objects of one", &store_list);
  list->footer(
      R"(One page: as many as Swift gives at once, or --limit. What follows it: --marker with the last name.
text is a table; json, xml and plain (names only) are printed as Swift sends them.

Example:
  swiftness store list box --prefix a/ --delimiter / --format json --config gateway.yaml)");
  add.path(list, "CONTAINER", "Its objects (default: the account's containers)");
  ListOptions& options = add.request.list;
  list->add_option("--limit", options.limit, "At most so many entries")->type_name("N");
  list->add_option("--marker", options.marker, "Names after this one")->type_name("NAME");
  list->add_option("--end-marker", options.end_marker, "Names before this one")->type_name("NAME");
  list->add_option("--prefix", options.prefix, "Names that begin with it")->type_name("TEXT");
  list->add_option("--delimiter", options.delimiter,
                   "Names that go on behind it are one entry, a subdir")
      ->type_name("TEXT");
  CLI::Option* format =
      list->add_option("--format", add.request.format, "What to print (default: text)");
  format->check(CLI::IsMember({"text", "json", "xml", "plain"}).description(""))
      ->type_name("text|json|xml|plain");
  list->add_flag("--json", add.common.json, "The same as --format json")->excludes(format);
  add.output(list);

  CLI::App* head =
      add.add("head", "All headers of the account, a container or an object", &store_head);
  head->footer("Example:\n  swiftness store head box/a --newest --config gateway.yaml");
  add.path(head, "CONTAINER[/OBJECT]", "What (default: the account)");
  add.newest(head);
  add.json(head);
  add.output(head);
}

void add_get(const Builder& add) {
  CLI::App* get = add.add("get", "The contents of an object, or a part of them", &store_get);
  get->footer(
      R"(Nothing is written when it fails, also when a condition does not hold (exit code 1). A whole object
is compared with its ETag.

Example:
  swiftness store get box/a --range 0-99 --output a.part --config gateway.yaml)");
  add.path(get, "CONTAINER/OBJECT", "The object")->required();
  ReadOptions& options = add.request.read;
  get->add_option("--range", add.request.range, "Bytes: 0-99, 100- (to the end), -100 (the last)")
      ->type_name("RANGE");
  get->add_option("--if-match", options.if_match, "Only with this ETag")->type_name("ETAG");
  get->add_option("--if-none-match", options.if_none_match, "Only with another ETag")
      ->type_name("ETAG");
  get->add_option("--if-modified-since", options.if_modified_since,
                  "Only when it changed since \"Mon, 30 Nov 2026 10:00:00 GMT\"")
      ->type_name("DATE");
  get->add_option("--if-unmodified-since", options.if_unmodified_since,
                  "Only when it did not change since")
      ->type_name("DATE");
  add.newest(get);
  add.output(get);
}

void add_containers(const Builder& add) {
  CLI::App* create = add.add("create", "Create a container", &store_create);
  create->footer(
      "Example:\n  swiftness store create box --storage-policy silver --config gateway.yaml");
  add.path(create, "CONTAINER", "Its name")->required();
  create
      ->add_option("--storage-policy", add.request.policy,
                   "One of \"store info\" (default: the cluster's)")
      ->type_name("NAME");
  add.metadata(create, "X-Container-Meta-KEY; may be given several times");

  CLI::App* remove =
      add.add("remove-container", "Delete an empty container", &store_remove_container);
  remove->footer("Example:\n  swiftness store remove-container box --config gateway.yaml");
  add.path(remove, "CONTAINER", "Its name")->required();
}

void add_changing(const Builder& add) {
  CLI::App* put = add.add("put", "Store an object", &store_put);
  put->footer(
      R"(Swift compares what arrives with the data's MD5. With --etag they are compared before, too.

Example:
  swiftness store put box/a a.bin --meta Color=blue --delete-after 3600 --config gateway.yaml
  date | swiftness store put box/date --if-none-match '*' --config gateway.yaml)");
  add.path(put, "CONTAINER/OBJECT", "The object")->required();
  put->add_option("file", add.request.file, "The data (default: standard input)")
      ->type_name("FILE");
  put->add_option("--etag", add.request.write.etag, "MD5 that the data must have")
      ->type_name("MD5");
  put->add_option_function<std::string>(
         "--if-none-match",
         [&request = add.request](const std::string&) { request.write.create_only = true; },
         "'*': only if there is no such object")
      ->check(CLI::IsMember({"*"}).description(""))
      ->type_name("'*'");
  add.object_options(put);

  CLI::App* copy = add.add("copy", "Copy an object inside Swift", &store_copy);
  copy->footer(
      R"(The copy has the metadata of its source, and what the options say.

Example:
  swiftness store copy box/a chest/b --method copy --config gateway.yaml)");
  add.path(copy, "CONTAINER/OBJECT", "What to copy")->required();
  copy->add_option("to", add.request.target, "Where to")->required()->type_name("CONTAINER/OBJECT");
  copy->add_option("--method", add.request.method,
                   "PUT with X-Copy-From (default), or COPY with Destination")
      ->check(CLI::IsMember({"put", "copy"}).description(""))
      ->type_name("put|copy");
  add.object_options(copy);

  CLI::App* post =
      add.add("post", "Set metadata of an object, a container or the account", &store_post);
  post->footer(
      R"(An object's metadata and expiry are replaced as a whole: what is not given is gone. Of containers
and the account those given are set; an empty value removes one.

Example:
  swiftness store post box/a --meta Color=red --config gateway.yaml)");
  add.path(post, "CONTAINER[/OBJECT]", "What (default: the account)");
  add.object_options(post);

  CLI::App* remove = add.add("delete", "Delete objects", &store_delete);
  remove->footer(
      R"(Several are deleted in bulk where Swift offers that. Exit code 1 when one of them failed or was not
there. Containers: swiftness store remove-container.

Example:
  swiftness store delete box/a box/b --config gateway.yaml)");
  remove->add_option("objects", add.request.objects, "The objects")
      ->required()
      ->type_name("CONTAINER/OBJECT");
}

void add_check(const Builder& add) {
  CLI::App* check =
      add.add("check", "Whether this Swift is fit for disks, and how fast it is", &store_check);
  check->footer(
      R"(Logs in at each auth URL, asks each proxy, puts Swift's promises to the test and measures, in a
container of its own that is deleted in the end, also after Ctrl-C. Takes about 60 s and writes up to
3 GiB; --quick about 15 s and half a GiB. Best run from the gateway's machine, while nothing else is on it.

Exit codes: 0 fit, perhaps with reservations, 1 unfit, or it could not be found out, 2 wrong usage or
configuration. What it says, and the keys of --json: docs/OPERATIONS.md.

Example:
  swiftness store check --config gateway.yaml
  swiftness store check --store cloud --quick --json --config gateway.yaml)");
  check->add_flag("--quick", add.request.quick, "Fewer sizes and shorter");
  add.json(check);
}

}  // namespace

void add_store_commands(CLI::App& app, Common& common, StoreRequest& request,
                        std::function<int()>& chosen) {
  CLI::App* store = app.add_subcommand("store", "Look into a Swift store, and change what is there")
                        ->fallthrough();
  store->footer(kStoreFooter);
  store
      ->add_option("--store", request.store,
                   "A store of the configuration (default: the only one of type swift)")
      ->type_name("NAME");
  const Builder add{store, common, request, chosen};
  add_check(add);
  add_looking(add);
  add_get(add);
  add_containers(add);
  add_changing(add);
}

}  // namespace swiftness::cli

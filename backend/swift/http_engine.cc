#include "backend/swift/http_engine.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "backend/base/check.h"

namespace swiftness {
namespace {

constexpr size_t kMostHeaderBytes = 64 * 1024;  // of one response
constexpr size_t kErrorExcerpt = 4 * 1024;      // kept of the body of an answer that is not 2xx
constexpr size_t kMostErrorBody = 1024 * 1024;  // read past for the sake of the connection
constexpr uint64_t kAnnounced = 1024 * 1024;    // and larger bodies: Expect: 100-continue
constexpr uint64_t kBigTransfer = 128 * 1024;   // gets big buffers
constexpr long kBigBuffer = 512 * 1024;
constexpr auto kLongestPoll = std::chrono::seconds(60);
constexpr const char* kUserAgent = "swiftness/" SWIFTNESS_VERSION;

using Complete = std::function<void(HttpOutcome)>;

struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using Multi = std::unique_ptr<CURLM, FreeMulti>;
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

TransportFailure kind_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return TransportFailure::resolve;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
      return TransportFailure::connect;  // its only timeout we use
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return TransportFailure::tls;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return TransportFailure::request;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return TransportFailure::malformed;
    default:
      return TransportFailure::broken;
  }
}

bool has_body(const HttpRequest& request) {
  return request.method == "PUT" || request.method == "POST";
}

// A header that would smuggle in another one is refused, wherever it came from.
bool is_sendable(const HttpRequest& request) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  for (const HttpHeader& header : request.headers) {
    if (header.name.find_first_of(kForbidden) != std::string::npos) return false;
    if (header.value.find_first_of(kForbidden) != std::string::npos) return false;
  }
  return request.url.find_first_of(kForbidden) == std::string::npos;
}

// One request on its way, with the easy handle it uses. Lives on the engine's thread.
class Transfer {
 public:
  Transfer(TransferId id, HttpRequest request, Complete complete)
      : id_(id), request_(std::move(request)), complete_(std::move(complete)) {}
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  TransferId id() const noexcept { return id_; }
  TimePoint deadline() const noexcept { return request_.deadline; }
  TimePoint last_progress() const noexcept { return last_progress_; }
  CURL* easy() const noexcept { return easy_.get(); }

  bool set_up(Easy easy, const HttpEngine::Options& options, TimePoint now);
  HttpOutcome outcome(CURLcode code);
  void finish(HttpOutcome outcome) { std::exchange(complete_, {})(std::move(outcome)); }
  Easy release() noexcept { return std::move(easy_); }

 private:
  static size_t on_read(char* target, size_t one, size_t room, void* self) noexcept;
  static int on_seek(void* self, curl_off_t offset, int origin) noexcept;
  static size_t on_header(char* line, size_t one, size_t size, void* self) noexcept;
  static size_t on_write(char* data, size_t one, size_t size, void* self) noexcept;

  void add_header(const std::string& line);
  size_t read_body(std::span<std::byte> target);
  bool take_header(std::string_view line);
  bool take_body(std::span<const std::byte> bytes);
  static int on_progress(void* self, curl_off_t download_size, curl_off_t downloaded,
                         curl_off_t upload_size, curl_off_t uploaded) noexcept;
  bool open_body();
  void progressed() { last_progress_ = std::chrono::steady_clock::now(); }

  TransferId id_;
  HttpRequest request_;
  Complete complete_;
  HeaderList header_list_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  TimePoint last_progress_{};
  curl_off_t moved_ = 0;  // bytes, both ways

  size_t piece_ = 0;         // of the request's body that goes out next,
  size_t piece_offset_ = 0;  // and the byte in it

  HttpResponse response_;
  size_t header_bytes_ = 0;
  bool body_open_ = false;
  bool sized_ = false;                  // the answer said how long its body is:
  Buffer sized_body_;                   // then it lands here,
  Bytes growing_body_;                  // else here; as does the beginning of an error's body
  uint64_t body_bytes_ = 0;             // received
  std::optional<HttpFailure> refused_;  // why a callback of ours ended the transfer
  bool seen_enough_ = false;            // ended by us, and yet a response

  Easy easy_;  // goes first: it points at the others
};

bool Transfer::set_up(Easy easy, const HttpEngine::Options& options, TimePoint now) {
  easy_ = std::move(easy);
  last_progress_ = now;
  if (!is_sendable(request_)) return false;

  CURL* h = easy_.get();
  bool fine = true;
  auto set = [&](CURLoption option, auto value) {
    fine = fine && curl_easy_setopt(h, option, value) == CURLE_OK;
  };
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);  // object names may hold "..", which is no step upwards
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);                    // never wait for a resolver that hangs
  set(CURLOPT_PROXY, options.proxy.url.c_str());  // empty: none, whatever the environment says
  set(CURLOPT_NOPROXY, "");
  if (!options.proxy.user.empty()) {
    set(CURLOPT_PROXYUSERNAME, options.proxy.user.c_str());
    set(CURLOPT_PROXYPASSWORD, options.proxy.password.c_str());
  }
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, kUserAgent);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(
          std::chrono::duration_cast<std::chrono::milliseconds>(options.connect_timeout).count()));
  if (!options.tls.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.tls.ca_file.c_str());
    set(CURLOPT_CAPATH, nullptr);  // this file only
  }
  if (!options.tls.certificate_file.empty()) {
    set(CURLOPT_SSLCERT, options.tls.certificate_file.c_str());
    const std::string& key = options.tls.key_file;
    set(CURLOPT_SSLKEY, (key.empty() ? options.tls.certificate_file : key).c_str());
  }
  if (request_.fresh_connection) set(CURLOPT_FRESH_CONNECT, 1L);

  for (const HttpHeader& header : request_.headers) {
    // "Name;" is libcurl's way to send a header without a value.
    add_header(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  // "Name:" is its way to send none: without it every upload would be announced.
  if (has_body(request_) && request_.body.size() < kAnnounced) add_header("Expect:");
  set(CURLOPT_HTTPHEADER, header_list_.get());

  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body(request_)) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_READFUNCTION, &Transfer::on_read);
    set(CURLOPT_READDATA, static_cast<void*>(this));
    set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    if (request_.body.size() >= kBigTransfer) set(CURLOPT_UPLOAD_BUFFERSIZE, kBigBuffer);
  }
  if (request_.method != "GET" && request_.method != "HEAD") {
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  if (request_.most_body >= kBigTransfer) set(CURLOPT_BUFFERSIZE, kBigBuffer);

  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(this));
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  return fine;
}

void Transfer::add_header(const std::string& line) {
  curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
  CHECK(longer != nullptr);
  static_cast<void>(header_list_.release());
  header_list_.reset(longer);
}

size_t Transfer::on_read(char* target, size_t one, size_t room, void* self) noexcept {
  auto* bytes = reinterpret_cast<std::byte*>(target);
  return static_cast<Transfer*>(self)->read_body({bytes, one * room});
}

// Called at every move, and each second at the least.
int Transfer::on_progress(void* self, curl_off_t, curl_off_t downloaded, curl_off_t,
                          curl_off_t uploaded) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const curl_off_t moved = downloaded + uploaded;
  if (moved != transfer.moved_) transfer.progressed();
  transfer.moved_ = moved;
  return 0;
}

size_t Transfer::read_body(std::span<std::byte> target) {
  const std::vector<Buffer>& pieces = request_.body.pieces();
  size_t copied = 0;
  while (copied < target.size() && piece_ < pieces.size()) {
    const Buffer& piece = pieces[piece_];
    size_t step = std::min(target.size() - copied, piece.size() - piece_offset_);
    std::memcpy(target.data() + copied, piece.data() + piece_offset_, step);
    copied += step;
    piece_offset_ += step;
    if (piece_offset_ == piece.size()) {
      ++piece_;
      piece_offset_ = 0;
    }
  }
  return copied;
}

int Transfer::on_seek(void* self, curl_off_t offset, int origin) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  auto left = static_cast<uint64_t>(offset);
  if (left > transfer.request_.body.size()) return CURL_SEEKFUNC_FAIL;
  const std::vector<Buffer>& pieces = transfer.request_.body.pieces();
  size_t piece = 0;
  while (piece < pieces.size() && left >= pieces[piece].size()) left -= pieces[piece++].size();
  transfer.piece_ = piece;
  transfer.piece_offset_ = left;
  return CURL_SEEKFUNC_OK;
}

size_t Transfer::on_header(char* line, size_t one, size_t size, void* self) noexcept {
  size_t bytes = one * size;
  return static_cast<Transfer*>(self)->take_header({line, bytes}) ? bytes : 0;
}

bool Transfer::take_header(std::string_view line) {
  progressed();
  header_bytes_ += line.size();
  if (header_bytes_ > kMostHeaderBytes) {
    refused_ = {TransportFailure::malformed, "the answer's headers are too long"};
    return false;
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // also after 100 Continue: what counts is the last one
    response_.headers.clear();
    return true;
  }
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  response_.headers.add(line.substr(0, colon), value);
  return true;
}

size_t Transfer::on_write(char* data, size_t one, size_t size, void* self) noexcept {
  size_t bytes = one * size;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return static_cast<Transfer*>(self)->take_body({begin, bytes}) ? bytes : 0;
}

// At the first bytes of the body the headers are complete: its place is chosen now.
bool Transfer::open_body() {
  body_open_ = true;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  curl_off_t length = -1;
  curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (response_.status / 100 != 2 || length < 0) return true;
  if (static_cast<uint64_t>(length) > request_.most_body) {
    refused_ = {TransportFailure::too_long, fmt::format("the answer has {} bytes where at most {} "
                                                        "were expected",
                                                        length, request_.most_body)};
    return false;
  }
  sized_ = true;
  sized_body_ = Buffer::allocate(static_cast<size_t>(length));
  return true;
}

bool Transfer::take_body(std::span<const std::byte> bytes) {
  if (!body_open_ && !open_body()) return false;
  uint64_t before = body_bytes_;
  body_bytes_ += bytes.size();
  if (response_.status / 100 != 2) {
    size_t room = kErrorExcerpt - std::min(kErrorExcerpt, growing_body_.size());
    auto kept = bytes.first(std::min(room, bytes.size()));
    growing_body_.insert(growing_body_.end(), kept.begin(), kept.end());
    seen_enough_ = body_bytes_ > kMostErrorBody;
    return !seen_enough_;
  }
  if (sized_) {
    CHECK(body_bytes_ <= sized_body_.size());  // libcurl reads no further than Content-Length
    std::memcpy(sized_body_.writable().data() + before, bytes.data(), bytes.size());
    return true;
  }
  if (body_bytes_ > request_.most_body) {
    refused_ = {TransportFailure::too_long,
                fmt::format("the answer has more than the {} bytes expected", request_.most_body)};
    return false;
  }
  growing_body_.insert(growing_body_.end(), bytes.begin(), bytes.end());
  return true;
}

HttpOutcome Transfer::outcome(CURLcode code) {
  if (refused_) return std::move(*refused_);
  if (code != CURLE_OK && !seen_enough_) {
    const char* words = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
    return HttpFailure{kind_of(code), words};
  }
  if (!body_open_) open_body();  // there was none
  response_.body = sized_ ? std::move(sized_body_) : Buffer::own(std::move(growing_body_));
  const char* address = nullptr;
  long port = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_IP, &address);
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_PORT, &port);
  response_.peer = fmt::format("{}:{}", address != nullptr ? address : "", port);
  return std::move(response_);
}

using TransferPtr = std::unique_ptr<Transfer>;

HttpOutcome closed() {
  return HttpFailure{TransportFailure::closed, "the store has been closed"};
}

}  // namespace

// ---------------------------------------------------------------- the thread
class HttpEngine::Loop {
 public:
  explicit Loop(Options options) : options_(std::move(options)), multi_(curl_multi_init()) {
    CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options_.connections));
    thread_ = std::thread([this] { run(); });
  }
  ~Loop() { stop(); }

  void submit(TransferPtr transfer);
  void abort(TransferId id);
  void stop();

 private:
  void run();
  void take_mail();
  void start_waiting();
  void start(TransferPtr transfer);
  void collect_finished();
  void abort_those_asked_for();
  void expire_overdue(TimePoint now);
  std::chrono::milliseconds until_next_check(TimePoint now) const;
  void end(TransferPtr transfer, HttpOutcome outcome);

  Options options_;
  Multi multi_;

  // Between threads: other threads put in, the loop takes all. The loop is woken when the mailbox
  // was empty.
  std::mutex mail_mutex_;
  std::vector<TransferPtr> mail_;
  std::vector<TransferId> abort_mail_;
  bool stopping_ = false;

  // The loop's own.
  std::deque<TransferPtr> waiting_;
  std::vector<TransferPtr> active_;  // at most options_.connections
  std::vector<TransferId> aborts_;
  bool stop_seen_ = false;
  std::vector<Easy> spare_handles_;

  std::thread thread_;
};

void HttpEngine::Loop::submit(TransferPtr transfer) {
  std::unique_lock lock(mail_mutex_);
  if (stopping_) {
    lock.unlock();
    transfer->finish(closed());
    return;
  }
  mail_.push_back(std::move(transfer));
  const bool first = mail_.size() == 1 && abort_mail_.empty();
  // Not under the lock: it is what the thread takes first when it wakes.
  lock.unlock();
  if (first) curl_multi_wakeup(multi_.get());
}

void HttpEngine::Loop::abort(TransferId id) {
  std::unique_lock lock(mail_mutex_);
  if (stopping_) return;
  abort_mail_.push_back(id);
  lock.unlock();
  curl_multi_wakeup(multi_.get());
}

void HttpEngine::Loop::stop() {
  {
    std::lock_guard lock(mail_mutex_);
    if (stopping_) return;
    stopping_ = true;
    curl_multi_wakeup(multi_.get());
  }
  thread_.join();
}

void HttpEngine::Loop::run() {
  // Signals are the main thread's business; a blocked SIGPIPE is what lets TLS write to a closed
  // socket and hear of it as an error.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  pthread_setname_np(pthread_self(), "swift-http");

  for (;;) {
    take_mail();
    if (stop_seen_) break;
    abort_those_asked_for();
    expire_overdue(std::chrono::steady_clock::now());
    start_waiting();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    collect_finished();
    if (!waiting_.empty() && active_.size() < options_.connections) continue;
    auto timeout = until_next_check(std::chrono::steady_clock::now());
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(timeout.count()), nullptr);
  }
  while (!active_.empty()) end(std::move(active_.back()), closed());
  for (TransferPtr& transfer : waiting_) transfer->finish(closed());
  waiting_.clear();
  spare_handles_.clear();
}

void HttpEngine::Loop::take_mail() {
  std::vector<TransferPtr> mail;
  {
    std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
    aborts_.swap(abort_mail_);
    stop_seen_ = stopping_;
  }
  for (TransferPtr& transfer : mail) waiting_.push_back(std::move(transfer));
}

void HttpEngine::Loop::start_waiting() {
  while (!waiting_.empty() && active_.size() < options_.connections) {
    TransferPtr next = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(next));
  }
}

void HttpEngine::Loop::start(TransferPtr transfer) {
  Easy easy;
  if (spare_handles_.empty()) {
    easy.reset(curl_easy_init());
    CHECK(easy != nullptr);
  } else {
    easy = std::move(spare_handles_.back());
    spare_handles_.pop_back();
  }
  if (!transfer->set_up(std::move(easy), options_, std::chrono::steady_clock::now())) {
    transfer->finish(
        HttpFailure{TransportFailure::request, "the request cannot be sent: bad URL or header"});
    return;
  }
  CHECK(curl_multi_add_handle(multi_.get(), transfer->easy()) == CURLM_OK);
  active_.push_back(std::move(transfer));
}

void HttpEngine::Loop::collect_finished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;
    auto at = std::ranges::find(active_, message->easy_handle,
                                [](const TransferPtr& transfer) { return transfer->easy(); });
    CHECK(at != active_.end());
    HttpOutcome outcome = (*at)->outcome(code);
    end(std::move(*at), std::move(outcome));
  }
}

// Takes the transfer out of libcurl and out of active_, and tells whoever waits for it.
void HttpEngine::Loop::end(TransferPtr transfer, HttpOutcome outcome) {
  std::erase(active_, nullptr);  // it was moved out of its slot
  curl_multi_remove_handle(multi_.get(), transfer->easy());
  Easy easy = transfer->release();
  curl_easy_reset(easy.get());
  spare_handles_.push_back(std::move(easy));
  transfer->finish(std::move(outcome));
}

void HttpEngine::Loop::abort_those_asked_for() {
  const HttpFailure aborted{TransportFailure::aborted, "given up"};
  for (TransferId id : std::exchange(aborts_, {})) {
    auto same = [id](const TransferPtr& transfer) { return transfer->id() == id; };
    if (auto at = std::ranges::find_if(active_, same); at != active_.end()) {
      end(std::move(*at), aborted);
    } else if (auto queued = std::ranges::find_if(waiting_, same); queued != waiting_.end()) {
      TransferPtr transfer = std::move(*queued);
      waiting_.erase(queued);
      transfer->finish(aborted);
    }
  }
}

void HttpEngine::Loop::expire_overdue(TimePoint now) {
  const HttpFailure late{TransportFailure::deadline, "no answer within the deadline"};
  auto overdue = [now](const TransferPtr& transfer) { return transfer->deadline() <= now; };
  auto stalled = [&](const TransferPtr& transfer) {
    return transfer->last_progress() + options_.stall_timeout <= now;
  };
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (!overdue(*at)) {
      ++at;
      continue;
    }
    (*at)->finish(late);
    at = waiting_.erase(at);
  }
  for (;;) {
    auto at = std::ranges::find_if(active_, overdue);
    if (at == active_.end()) break;
    end(std::move(*at), late);
  }
  for (;;) {
    auto at = std::ranges::find_if(active_, stalled);
    if (at == active_.end()) break;
    auto seconds = std::chrono::duration<double>(options_.stall_timeout).count();
    end(std::move(*at), HttpFailure{TransportFailure::stalled,
                                    fmt::format("nothing came or went for {:.1f} s", seconds)});
  }
}

std::chrono::milliseconds HttpEngine::Loop::until_next_check(TimePoint now) const {
  TimePoint next = now + kLongestPoll;
  for (const TransferPtr& transfer : waiting_) next = std::min(next, transfer->deadline());
  for (const TransferPtr& transfer : active_) {
    next = std::min(next, transfer->deadline());
    next = std::min(next, transfer->last_progress() + options_.stall_timeout);
  }
  return std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now, Duration::zero()));
}

// ---------------------------------------------------------------- the door
HttpEngine::HttpEngine(Options options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(initialised == CURLE_OK);
  CHECK(options.connections > 0);
  loop_ = std::make_shared<Loop>(std::move(options));
}

HttpEngine::~HttpEngine() {
  stop();
}

asio::awaitable<HttpOutcome> HttpEngine::perform(HttpRequest request, TransferId id) {
  auto initiate = [loop = loop_, id](auto handler, HttpRequest what) {
    auto executor = asio::get_associated_executor(handler);
    // std::function wants to copy what it holds, and the handler cannot be copied. The engine's
    // thread keeps nothing of the handler once it is posted.
    auto held = std::make_shared<decltype(handler)>(std::move(handler));
    Complete complete = [held = std::move(held), executor](HttpOutcome outcome) mutable {
      asio::post(executor, [held = std::move(held), outcome = std::move(outcome)]() mutable {
        auto resume = std::move(*held);
        std::move(resume)(std::move(outcome));
      });
    };
    loop->submit(std::make_unique<Transfer>(id, std::move(what), std::move(complete)));
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(HttpOutcome)>(
      std::move(initiate), asio::use_awaitable, std::move(request));
}

void HttpEngine::abort(TransferId id) {
  loop_->abort(id);
}
void HttpEngine::stop() {
  loop_->stop();
}

std::unique_ptr<HttpTransport> open_engine(const SwiftStoreConfig& config) {
  return std::make_unique<HttpEngine>(HttpEngine::Options{.tls = config.tls,
                                                          .proxy = config.http_proxy,
                                                          .connections = config.connections,
                                                          .connect_timeout = config.connect_timeout,
                                                          .stall_timeout = config.stall_timeout});
}

}  // namespace swiftness

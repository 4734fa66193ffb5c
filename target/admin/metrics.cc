#include "target/admin/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <vector>

namespace swiftness::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric sample(MetricType type, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric out;
  out.label = std::move(labels);
  (type == MetricType::Counter ? out.counter.value : out.gauge.value) = value;
  return out;
}

// One of the gateway as a whole.
MetricFamily one(const char* name, MetricType type, const char* help, double value) {
  return {name, help, type, {sample(type, value)}};
}

struct InitiatorMetric {
  const char* name;
  MetricType type;
  const char* help;
  uint64_t InitiatorCounts::*value;
};

const InitiatorMetric kOfInitiators[] = {
    {"swiftness_logins_total", MetricType::Counter, "Logins that succeeded, discovery too",
     &InitiatorCounts::logins},
    {"swiftness_logins_refused_total", MetricType::Counter,
     "Logins that were refused; the log has each cause", &InitiatorCounts::logins_refused},
    {"swiftness_connections_refused_total", MetricType::Counter,
     "Connections that were turned away: too many had not logged in",
     &InitiatorCounts::connections_refused},
    {"swiftness_connections_broken_total", MetricType::Counter,
     "Connections that were closed: what came was no iSCSI, or damaged",
     &InitiatorCounts::connections_broken},
    {"swiftness_connections_paused_total", MetricType::Counter,
     "Times an initiator did not read its answers and was not read until it did",
     &InitiatorCounts::connections_paused},
    {"swiftness_connections_half_open", MetricType::Gauge, "Connections that have not logged in",
     &InitiatorCounts::half_open},
    {"swiftness_unread_answer_bytes", MetricType::Gauge,
     "Memory of answers that initiators have not read", &InitiatorCounts::unread_answers},
    {"swiftness_pdus_rejected_total", MetricType::Counter,
     "PDUs that broke the protocol or its limits and were rejected",
     &InitiatorCounts::pdus_rejected},
    {"swiftness_commands_total", MetricType::Counter, "SCSI commands that came",
     &InitiatorCounts::commands},
    {"swiftness_commands_timed_out_total", MetricType::Counter,
     "Commands that were answered BUSY because the store took too long",
     &InitiatorCounts::commands_timed_out},
    {"swiftness_commands_without_memory_total", MetricType::Counter,
     "Commands that were answered BUSY because limits.memory had no room for their data",
     &InitiatorCounts::commands_without_memory},
    {"swiftness_sent_bytes_total", MetricType::Counter, "Data of commands, sent to initiators",
     &InitiatorCounts::bytes_read},
    {"swiftness_received_bytes_total", MetricType::Counter,
     "Data of commands, received from initiators", &InitiatorCounts::bytes_written},
};

struct VolumeMetric {
  const char* name;
  MetricType type;
  const char* help;
  uint64_t VolumeReport::*value;
};

const VolumeMetric kOfVolumes[] = {
    {"swiftness_volume_size_bytes", MetricType::Gauge, "Size of the disk", &VolumeReport::size},
    {"swiftness_volume_mapped_bytes", MetricType::Gauge, "Written and not unmapped",
     &VolumeReport::mapped},
    {"swiftness_volume_quota_bytes", MetricType::Gauge,
     "Most that may be mapped; 0: there is no quota", &VolumeReport::quota},
    {"swiftness_volume_available_bytes", MetricType::Gauge, "What may be mapped yet",
     &VolumeReport::available},
    {"swiftness_volume_unsafe_bytes", MetricType::Gauge, "Acknowledged and not yet in the store",
     &VolumeReport::unsafe},
    {"swiftness_volume_epoch", MetricType::Gauge, "Epoch of the attach", &VolumeReport::epoch},
    {"swiftness_volume_newest_sequence", MetricType::Gauge, "Last chunk that was sealed",
     &VolumeReport::newest_sequence},
    {"swiftness_volume_durable_sequence", MetricType::Gauge,
     "This chunk and all before it are in the store", &VolumeReport::durable_sequence},
    {"swiftness_volume_chunks_in_flight", MetricType::Gauge, "Chunks being uploaded",
     &VolumeReport::chunks_in_flight},
    {"swiftness_volume_journal_size_bytes", MetricType::Gauge,
     "Room of the journal; 0: there is none", &VolumeReport::journal_size},
    {"swiftness_volume_journal_used_bytes", MetricType::Gauge, "Of it in use",
     &VolumeReport::journal_used},
    {"swiftness_volume_chunks", MetricType::Gauge, "Chunks in the store", &VolumeReport::chunks},
    {"swiftness_volume_stored_bytes", MetricType::Gauge, "Bytes of them", &VolumeReport::stored},
    {"swiftness_volume_live_bytes", MetricType::Gauge, "Of these, bytes the disk refers to",
     &VolumeReport::live},
    {"swiftness_volume_awaiting_deletion_bytes", MetricType::Gauge,
     "Bytes of chunks that will be deleted", &VolumeReport::awaiting_deletion},
    {"swiftness_volume_written_bytes_total", MetricType::Counter,
     "Written by initiators since the attach", &VolumeReport::written},
    {"swiftness_volume_put_bytes_total", MetricType::Counter, "Put into the store since the attach",
     &VolumeReport::put},
    {"swiftness_volume_moved_bytes_total", MetricType::Counter,
     "Of these, moved by garbage collection", &VolumeReport::moved},
    {"swiftness_volume_read_hits_total", MetricType::Counter,
     "Pieces of reads that came from memory or the read cache", &VolumeReport::read_hits},
    {"swiftness_volume_read_misses_total", MetricType::Counter,
     "Pieces of reads that waited for the store", &VolumeReport::read_misses},
    {"swiftness_volume_read_from_cache_bytes_total", MetricType::Counter,
     "Read from the read cache", &VolumeReport::read_from_cache},
    {"swiftness_volume_read_from_store_bytes_total", MetricType::Counter,
     "Read from the store, with what was read ahead", &VolumeReport::read_from_store},
    {"swiftness_volume_store_gets_total", MetricType::Counter, "Reads of the store",
     &VolumeReport::store_gets},
    {"swiftness_volume_store_prefetches_total", MetricType::Counter,
     "Of these, reads that nobody waited for", &VolumeReport::store_prefetches},
    {"swiftness_volume_read_cache_size_bytes", MetricType::Gauge,
     "Size of the read cache's file; 0: there is none", &VolumeReport::read_cache_size},
    {"swiftness_volume_read_cache_used_bytes", MetricType::Gauge, "Of it in use",
     &VolumeReport::read_cache_used},
};

std::vector<MetricFamily> families_of(const StatusReport& status) {
  const MetricType gauge = MetricType::Gauge;
  std::vector<MetricFamily> out;
  out.push_back({"swiftness_info",
                 "1; its labels tell the gateway's name and version",
                 gauge,
                 {sample(gauge, 1, {{"name", status.name}, {"version", status.version}})}});
  out.push_back(one("swiftness_start_time_seconds", gauge, "When it began, seconds since the epoch",
                    static_cast<double>(status.started)));
  out.push_back(
      one("swiftness_ready", gauge, "1: every configured volume is online", status.ready ? 1 : 0));
  out.push_back(
      one("swiftness_drained", gauge, "1: no initiator may log in", status.drained ? 1 : 0));
  out.push_back(one("swiftness_sessions", gauge, "Sessions of initiators",
                    static_cast<double>(status.sessions)));
  for (const InitiatorMetric& metric : kOfInitiators) {
    const double value = static_cast<double>(status.initiators.*metric.value);
    out.push_back(one(metric.name, metric.type, metric.help, value));
  }
  MetricFamily up{
      "swiftness_store_up", "0: the last requests to it failed, or were refused", gauge, {}};
  for (const StoreReport& store : status.stores) {
    up.metric.push_back(sample(gauge, store.trouble.empty() ? 1 : 0, {{"store", store.name}}));
  }
  out.push_back(std::move(up));
  auto of_volumes = [&](const char* name, MetricType type, const char* help, auto value_of) {
    MetricFamily family{name, help, type, {}};
    for (const VolumeReport& volume : status.volumes) {
      family.metric.push_back(
          sample(type, static_cast<double>(value_of(volume)), {{"volume", volume.name}}));
    }
    out.push_back(std::move(family));
  };
  of_volumes("swiftness_volume_online", gauge, "1: it serves initiators",
             [](const VolumeReport& volume) { return volume.state == "online" ? 1 : 0; });
  of_volumes("swiftness_volume_unsafe_seconds", gauge,
             "Age of the oldest byte that is acknowledged and not yet in the store",
             [](const VolumeReport& volume) { return volume.unsafe_seconds; });
  for (const VolumeMetric& metric : kOfVolumes) {
    of_volumes(metric.name, metric.type, metric.help,
               [&metric](const VolumeReport& volume) { return volume.*metric.value; });
  }
  return out;
}

}  // namespace

std::string metrics_text(const StatusReport& status) {
  return prometheus::TextSerializer().Serialize(families_of(status));
}

}  // namespace swiftness::admin

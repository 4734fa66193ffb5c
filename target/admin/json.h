// The JSON form of api.h. An absent key leaves the struct's default, so that a newer command line
// understands an older gateway.
#pragma once

#include <nlohmann/json.hpp>

#include "target/admin/api.h"

namespace swiftness::admin {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PathReport, portal_group, state, configured)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(
    VolumeReport, name, store, uuid, size, block_size, configured, state, trouble, target, lun,
    paths, mapped, quota, available, unsafe, unsafe_seconds, epoch, newest_sequence,
    durable_sequence, chunks_in_flight, journal_size, journal_used, chunks, stored, live,
    awaiting_deletion, written, put, moved, read_hits, read_misses, read_from_cache,
    read_from_store, store_gets, store_prefetches, read_cache_size, read_cache_used,
    read_cache_trouble)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeList, volumes, problems)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CreateVolume, name, store, size, block_size)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ReloadReport, added, removed, changed, warnings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SessionReport, initiator, address, target, isid,
                                                tsih, portal_group, since, commands, bytes_read,
                                                bytes_written, in_flight)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LunReport, number, volume, read_only, removable)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AccessReport, initiator, luns, read_only)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TargetReport, iqn, open, portal_groups, luns,
                                                access, sessions)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PortalReport, listen, advertise, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InitiatorCounts, logins, logins_refused,
                                                connections_refused, connections_broken,
                                                pdus_rejected, commands_timed_out,
                                                commands_without_memory, connections_paused,
                                                commands, bytes_read, bytes_written, half_open,
                                                unread_answers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(StoreReport, name, trouble)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(StatusReport, name, version, pid, started, ready,
                                                state_dir, portals, stores, volumes, sessions,
                                                targets, drained, moved_to, initiators)

}  // namespace swiftness::admin

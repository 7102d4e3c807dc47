-- Health of Region, RegionPeering and SyncPolicy for Argo CD: resource.customizations.health.region-operator.io_<Kind>.
-- A status of an older generation is no status; a stalled object fails a sync, a paused one rests.
local function condition(type)
  for _, item in ipairs(obj.status and obj.status.conditions or {}) do
    if item.type == type then return item end
  end
  return {status = "Unknown", message = "not observed yet"}
end

if obj.metadata.deletionTimestamp then
  return {status = "Progressing", message = condition("DeletionBlocked").message}
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "this generation was not looked at yet"}
end
local stalled, paused, ready = condition("Stalled"), condition("Paused"), condition("Ready")
if stalled.status == "True" then return {status = "Degraded", message = stalled.message} end
if paused.status == "True" then return {status = "Suspended", message = paused.message} end
if obj.status.mode == "Suspended" then return {status = "Suspended", message = "spec.mode is Suspended"} end
if ready.status == "True" then return {status = "Healthy", message = ready.message} end
return {status = "Progressing", message = ready.message}

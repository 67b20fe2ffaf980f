-- Health of Leeboard's three kinds for Argo CD; goes into argocd-cm as
-- resource.customizations.health.leeboard.dev_<Kind>, see docs/operations/gitops.md.
local function condition(kind)
  for _, found in ipairs((obj.status or {}).conditions or {}) do
    if found.type == kind then return found end
  end
  return {}
end

local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration < (obj.metadata.generation or 1) then
  return {status = "Progressing", message = "Leeboard has not seen this version of the manifest yet"}
end
local stalled = condition("Stalled")
if stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
local available = condition("Available")
local serves = #(status.traffic or {}) > 0 -- a new model does not yet
if available.status == "False" and (serves or condition("Reconciling").status ~= "True") then
  return {status = "Degraded", message = available.message}
end
local ready = condition("Ready")
if ready.status == "True" then
  if obj.spec.suspend then
    return {status = "Suspended", message = ready.message}
  end
  return {status = "Healthy", message = ready.message}
end
return {status = "Progressing", message = ready.message or "Leeboard is at work"}

// wgpu 30 does not ask a browser for subgroups, which it knows elsewhere: it has no name for them there
// (https://github.com/gfx-rs/wgpu/issues/10146). So they are asked for in its stead. To be removed with the
// first wgpu that lists subgroups among the features it maps for the web.

/** Whether the device last given has them, in subgroups of four or more. */
let given = false;

/** Asks for subgroups with every device from now on, where the adapter has them. */
export function requestSubgroups() {
  const adapter = globalThis.GPUAdapter?.prototype;
  if (!adapter || adapter.requestDevice.asksForSubgroups) return;
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (descriptor = {}) {
    const has = this.features.has('subgroups') && this.info.subgroupMinSize >= 4;
    const requiredFeatures = [...(descriptor.requiredFeatures ?? []), ...(has ? ['subgroups'] : [])];
    const device = await requestDevice.call(this, { ...descriptor, requiredFeatures });
    given = has;
    return device;
  };
  adapter.requestDevice.asksForSubgroups = true;
}

export function hasSubgroups() {
  return given;
}

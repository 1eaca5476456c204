/**
 * A file of tensors: the length of a header in eight bytes, the header in JSON, the numbers (the format safetensors),
 * all of it compressed by gzip.
 *
 * @typedef {object} Tensors
 * @property {Record<string, string>} about
 * @property {(name: string) => ArrayLike<number>} numbers Those of the tensor of that name, row by row.
 */

/** @type {Record<string, (bytes: Uint8Array) => ArrayLike<number>>} */
const KINDS = {
  U8: (bytes) => bytes,
  I8: (bytes) => new Int8Array(bytes.buffer),
  I16: (bytes) => new Int16Array(bytes.buffer),
  F32: (bytes) => new Float32Array(inPlace(bytes).buffer),
};

/**
 * @param {BlobPart} packed
 * @returns {Promise<Tensors>}
 */
export async function unpack(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = await new Response(stream).arrayBuffer();
  const start = 8 + Number(new DataView(all).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(all, 8, start - 8)));
  return {
    about: header.__metadata__,
    numbers(name) {
      const { dtype, data_offsets } = header[name];
      const [from, to] = data_offsets.map((/** @type {number} */ offset) => start + offset);
      return KINDS[dtype](new Uint8Array(all.slice(from, to)));
    },
  };
}

/**
 * The first bytes of all numbers stand together, then the second ones, and so on: so gzip finds more to do.
 *
 * @param {Uint8Array} planes
 */
function inPlace(planes) {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let at = plane; at < bytes.length; at += 4) bytes[at] = planes[plane * count + (at >> 2)];
  }
  return bytes;
}

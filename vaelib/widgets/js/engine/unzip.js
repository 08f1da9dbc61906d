/**
 * Return the bytes of some gzip files, one after the other. No Blob is read: on a page
 * from a disk, WebKit refuses it.
 * @param {DataView[]} pieces
 */
export async function unzipped(pieces) {
  const parts = await Promise.all(pieces.map(unzippedPiece));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return bytes;
}

/** Return the bytes of a gzip file. @param {DataView} piece */
async function unzippedPiece(piece) {
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  const [bytes] = await Promise.all([
    new Response(readable).arrayBuffer(),
    writer.write(/** @type {any} */ (piece)),
    writer.close(),
  ]);
  return new Uint8Array(bytes);
}

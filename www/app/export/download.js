// Hands a file over to the reader.

/** @param {Document} document @param {Blob} blob @param {string} name */
export function download(document, blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Some browsers start to read later than they return.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

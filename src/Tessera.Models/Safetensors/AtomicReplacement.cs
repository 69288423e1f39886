namespace Tessera.Models.Safetensors;

/// <summary>
/// Writes a file so that a reader, at any moment and after any crash, finds the old file or the new one: a temporary
/// file in the same folder, flushed to the disk, then renamed.
/// </summary>
internal static class AtomicReplacement
{
    /// <param name="path">The file to create or replace.</param>
    /// <param name="bytes">Room to reserve, so that a full disk is noticed before anything is written; 0 for none.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, long bytes, Action<FileStream> write)
    {
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 0,
                PreallocationSize = bytes,
            };
            using (var stream = new FileStream(temporary, options))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

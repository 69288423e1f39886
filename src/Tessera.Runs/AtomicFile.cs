using System.Text;

namespace Tessera.Runs;

/// <summary>
/// Writes files so that readers see the old content or the new, never a part: into a temporary file beside the target,
/// flushed to the disk, then renamed over it. After a failure the target is as it was and no temporary file is left.
/// </summary>
/// <remarks>A process killed while writing leaves <c>NAME.RANDOM.tmp</c> behind, which nothing reads.</remarks>
public static class AtomicFile
{
    private const int OutOfSpaceUnix = 28;
    private const int DiskFullWindows = unchecked((int)0x80070070);
    private const int HandleDiskFullWindows = unchecked((int)0x80070027);
    private static readonly UTF8Encoding Encoding = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Replaces a file by UTF-8 text without a byte-order mark.</summary>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; one sentence with the file.</exception>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.GetBytes(text));

    /// <summary>Replaces a file by bytes.</summary>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; one sentence with the file.</exception>
    public static void WriteAllBytes(string path, ReadOnlyMemory<byte> bytes) => Write(path, stream => stream.Write(bytes.Span));

    /// <summary>Replaces a file by what the callback writes; an exception in it leaves the old file in place.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes its content.</param>
    /// <param name="isDurable">
    /// Whether the content must survive a failure of power. Without, the file is still seen as a whole or not at all by every process
    /// of a machine that stays up, and nobody waits for the disk: for what is checked before use and can be made again.
    /// </param>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; one sentence with the file.</exception>
    public static void Write(string path, Action<Stream> write, bool isDurable = true)
    {
        string target = Path.GetFullPath(path);
        string temporary = $"{target}.{Path.GetRandomFileName()}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: isDurable);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception exception)
        {
            Discard(temporary);
            if (Explain(exception, path) is { } sentence)
            {
                throw new IOException(sentence, exception);
            }

            throw;
        }
    }

    /// <summary>One sentence for the failures of a disk that users can mend; null for others.</summary>
    public static string? Explain(Exception exception, string path) => exception switch
    {
        DirectoryNotFoundException => $"Cannot write {path}: its folder does not exist.",
        UnauthorizedAccessException => $"Cannot write {path}: permission denied.",
        IOException when IsDiskFull(exception.HResult) => $"Cannot write {path}: the disk is full.",
        _ => null,
    };

    private static bool IsDiskFull(int code) => code is OutOfSpaceUnix or DiskFullWindows or HandleDiskFullWindows;

    private static void Discard(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one worth reporting.
        }
    }
}

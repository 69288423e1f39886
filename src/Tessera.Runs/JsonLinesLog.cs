using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tessera.Runs;

/// <summary>
/// An append-only file of JSON values, one a line. Every record is handed to the operating system in one write before
/// <see cref="Append(JsonElement)"/> returns, so it survives kill −9; with <c>durable</c> it is also on the disk.
/// </summary>
/// <remarks>
/// A record counts once its newline is there. Opening cuts off a last line without one; readers skip it. One writer at a
/// time, held apart by <c>NAME.lock</c>, which stays behind empty; any number may read meanwhile. Threads may share a log.
/// </remarks>
public sealed class JsonLinesLog : IDisposable
{
    private const byte Newline = (byte)'\n';
    private readonly Lock _gate = new();
    private readonly FileStream _lock;
    private readonly FileStream _stream;
    private readonly bool _durable;

    private JsonLinesLog(string path, FileStream ownership, FileStream stream, bool durable)
    {
        FullPath = path;
        _lock = ownership;
        _stream = stream;
        _durable = durable;
    }

    /// <summary>Absolute path of the file.</summary>
    public string FullPath { get; }

    /// <summary>Opens a log for appending, makes it if missing, and cuts off a torn last line.</summary>
    /// <param name="path">The file.</param>
    /// <param name="durable">Flush every record to the disk, for records that are dear to compute.</param>
    /// <exception cref="IOException">The file cannot be written or another process writes it; one sentence.</exception>
    public static JsonLinesLog Open(string path, bool durable = false)
    {
        string full = Path.GetFullPath(path);
        FileStream? ownership = null, stream = null;
        try
        {
            // A file of its own, as on Unix the runtime can lock a file against other writers only together with readers.
            ownership = new FileStream(full + ".lock", FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
            stream = new FileStream(full, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            stream.SetLength(EndOfLastLine(stream));
            stream.Seek(0, SeekOrigin.End);
            return new JsonLinesLog(full, ownership, stream, durable);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            stream?.Dispose();
            ownership?.Dispose();
            throw Failure(path, exception);
        }
    }

    /// <summary>The records of a file in order; none if it does not exist. A torn last line is skipped.</summary>
    /// <exception cref="InvalidDataException">A complete line is not JSON; the sentence has its number.</exception>
    public static IEnumerable<JsonElement> Read(string path)
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        int number = 0;
        foreach (ReadOnlyMemory<byte> line in Lines(stream))
        {
            yield return Parse(path, ++number, line);
        }
    }

    /// <summary>Appends a JSON value.</summary>
    public void Append(JsonElement value) => Append(writer => value.WriteTo(writer));

    /// <summary>Appends a value as its type's generated contract writes it.</summary>
    public void Append<T>(T value, JsonTypeInfo<T> type) => Append(writer => JsonSerializer.Serialize(writer, value, type));

    /// <summary>Appends the one value that the callback writes.</summary>
    /// <exception cref="IOException">The disk is full; one sentence. The log then ends where it ended before.</exception>
    public void Append(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            write(writer);
        }

        buffer.Write([Newline]);
        lock (_gate)
        {
            long end = _stream.Position;
            try
            {
                _stream.Write(buffer.WrittenSpan);
                _stream.Flush(_durable);
            }
            catch (IOException exception)
            {
                _stream.SetLength(end);
                _stream.Seek(end, SeekOrigin.Begin);
                throw Failure(FullPath, exception);
            }
        }
    }

    /// <summary>Cuts off every record behind the first so many.</summary>
    public void KeepFirst(int records)
    {
        lock (_gate)
        {
            _stream.Seek(0, SeekOrigin.Begin);
            long end = Lines(_stream).Take(records).Sum(line => line.Length + 1L);
            _stream.SetLength(end);
            _stream.Seek(end, SeekOrigin.Begin);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _stream.Dispose();
        _lock.Dispose();
    }

    private static IOException Failure(string path, Exception exception) =>
        new(AtomicFile.Explain(exception, path) ?? $"Cannot append to {path}: {exception.Message}", exception);

    /// <summary>Position behind the last newline, searched from the end.</summary>
    private static long EndOfLastLine(FileStream stream)
    {
        var block = new byte[4096];
        for (long end = stream.Length; end > 0;)
        {
            int count = (int)Math.Min(block.Length, end);
            stream.Seek(end - count, SeekOrigin.Begin);
            stream.ReadExactly(block, 0, count);
            int last = Array.LastIndexOf(block, Newline, count - 1, count);
            if (last >= 0)
            {
                return end - count + last + 1;
            }

            end -= count;
        }

        return 0;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Lines(FileStream stream)
    {
        var buffer = new byte[1 << 16];
        int filled = 0;
        while (true)
        {
            int count = stream.Read(buffer, filled, buffer.Length - filled);
            if (count == 0)
            {
                yield break;
            }

            int start = 0, searched = filled;
            filled += count;
            for (int next = Array.IndexOf(buffer, Newline, searched, filled - searched);
                next >= 0;
                next = Array.IndexOf(buffer, Newline, start, filled - start))
            {
                yield return buffer.AsMemory(start, next - start);
                start = next + 1;
            }

            buffer.AsSpan(start, filled - start).CopyTo(buffer);
            filled -= start;
            if (filled == buffer.Length)
            {
                Array.Resize(ref buffer, 2 * buffer.Length);
            }
        }
    }

    private static JsonElement Parse(string path, int number, ReadOnlyMemory<byte> line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}: line {number} is not a JSON value.", exception);
        }
    }
}

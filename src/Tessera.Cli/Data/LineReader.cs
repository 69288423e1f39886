namespace Tessera.Cli.Data;

/// <summary>The lines of a file as bytes, one at a time, so that memory is bounded by the longest line.</summary>
internal static class LineReader
{
    private static readonly byte[] LineEnd = "\n"u8.ToArray();

    /// <summary>The lines without their ends (LF or CRLF); an end of line at the end of the file begins no further line.</summary>
    /// <exception cref="InvalidDataException">There is no such file, or a line has more than 256 MiB.</exception>
    public static IEnumerable<ReadOnlyMemory<byte>> Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        foreach (var segment in SegmentReader.Read(
            stream, LineEnd, number => new InvalidDataException($"{path}: line {number + 1} has more than {SegmentReader.MostBytes} bytes")))
        {
            yield return segment.Bytes.Span.EndsWith("\r"u8) ? segment.Bytes[..^1] : segment.Bytes;
        }
    }
}

namespace Tessera.Cli.Data;

/// <summary>The lines of a file as bytes, one at a time, so that memory is bounded by the longest line.</summary>
internal static class LineReader
{
    private const int BufferBytes = 1 << 16;
    private const int MostLineBytes = 256 << 20;

    /// <summary>The lines without their ends (LF or CRLF); an end of line at the end of the file begins no further line.</summary>
    /// <exception cref="InvalidDataException">There is no such file, or a line has more than 256 MiB.</exception>
    public static IEnumerable<ReadOnlyMemory<byte>> Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        byte[] buffer = new byte[BufferBytes];
        int start = 0, end = 0, line = 1;
        while (true)
        {
            int length = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                yield return Trim(buffer.AsMemory(start, length));
                start += length + 1;
                line++;
                continue;
            }

            MakeRoom(ref buffer, ref start, ref end, path, line);
            int count = stream.Read(buffer, end, buffer.Length - end);
            if (count == 0)
            {
                break;
            }

            end += count;
        }

        if (end > start)
        {
            yield return Trim(buffer.AsMemory(start, end - start));
        }
    }

    private static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> line) => line.Span.EndsWith("\r"u8) ? line[..^1] : line;

    private static void MakeRoom(ref byte[] buffer, ref int start, ref int end, string path, int line)
    {
        int kept = end - start;
        if (kept > MostLineBytes)
        {
            throw new InvalidDataException($"{path}: line {line} has more than {MostLineBytes} bytes");
        }

        byte[] target = kept > buffer.Length / 2 ? new byte[buffer.Length * 2] : buffer;
        Buffer.BlockCopy(buffer, start, target, 0, kept);
        buffer = target;
        start = 0;
        end = kept;
    }
}

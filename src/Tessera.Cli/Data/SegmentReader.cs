namespace Tessera.Cli.Data;

/// <summary>What stands between two borders of a stream.</summary>
/// <param name="Bytes">Its bytes, valid until the next is asked for.</param>
/// <param name="Length">Bytes that it takes in the stream, its border included.</param>
internal readonly record struct Segment(ReadOnlyMemory<byte> Bytes, long Length);

/// <summary>Cuts a stream at a border, such as a line's end, so that memory is bounded by the longest segment.</summary>
internal static class SegmentReader
{
    /// <summary>Most bytes of a segment.</summary>
    public const int MostBytes = 256 << 20;

    private const int BufferBytes = 1 << 16;

    /// <summary>The segments; a border at the end of the stream begins no further one.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="border">What stands between them.</param>
    /// <param name="tooLong">The exception for a segment, counted from 0, that has more than <see cref="MostBytes"/>.</param>
    public static IEnumerable<Segment> Read(Stream stream, ReadOnlyMemory<byte> border, Func<long, Exception> tooLong)
    {
        byte[] buffer = new byte[BufferBytes];
        int start = 0, end = 0, searched = 0;
        long number = 0;
        while (true)
        {
            // A border may have begun in what was searched before.
            int from = Math.Max(start, searched - border.Length + 1);
            int found = buffer.AsSpan(from, end - from).IndexOf(border.Span);
            if (found >= 0)
            {
                int length = from + found - start;
                yield return new Segment(buffer.AsMemory(start, length), length + border.Length);
                start += length + border.Length;
                searched = start;
                number++;
                continue;
            }

            searched = end;
            int kept = end - start;
            if (kept > MostBytes)
            {
                throw tooLong(number);
            }

            byte[] target = kept > buffer.Length / 2 ? new byte[buffer.Length * 2] : buffer;
            Buffer.BlockCopy(buffer, start, target, 0, kept);
            (buffer, searched, start, end) = (target, searched - start, 0, kept);
            int count = stream.Read(buffer, end, buffer.Length - end);
            if (count == 0)
            {
                break;
            }

            end += count;
        }

        if (end > start)
        {
            yield return new Segment(buffer.AsMemory(start, end - start), end - start);
        }
    }
}

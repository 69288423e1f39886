using System.Buffers.Binary;
using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Damage that knows nothing of a file's form: bits, lost, doubled and foreign pieces, numbers at their limits, cut ends.</summary>
internal static class ByteMutator
{
    private static readonly byte[][] Tokens =
    [
        "null"u8.ToArray(), "-1"u8.ToArray(), "1e999"u8.ToArray(), "18446744073709551616"u8.ToArray(), "[]"u8.ToArray(), "{}"u8.ToArray(),
        "\"\""u8.ToArray(), "\\ud800"u8.ToArray(), "0.5"u8.ToArray(), "true"u8.ToArray(), "2147483648"u8.ToArray(), "[[[[["u8.ToArray(), ","u8.ToArray(),
        "\""u8.ToArray(), "\n"u8.ToArray(), "\0"u8.ToArray(), "{%"u8.ToArray(), "}}"u8.ToArray(), [0xC3], [0xEF, 0xBB, 0xBF], [0xED, 0xA0, 0x80], [0x1F, 0x8B],
    ];

    private static readonly ulong[] Numbers =
        [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, ulong.MaxValue];

    /// <summary>One to four edits; <paramref name="other"/> is another file of the kind to take pieces from.</summary>
    public static byte[] Apply(byte[] original, byte[] other, ref CounterRandom random)
    {
        var bytes = new List<byte>(original);
        for (int edits = 1 + random.Next(4); edits > 0; edits--)
        {
            Edit(bytes, other, ref random);
        }

        return [.. bytes];
    }

    private static void Edit(List<byte> bytes, byte[] other, ref CounterRandom random)
    {
        if (bytes.Count == 0)
        {
            bytes.AddRange(Tokens[random.Next(Tokens.Length)]);
            return;
        }

        // Half of the edits fall near the start, where headers are.
        int at = random.Next(2) == 0 ? random.Next(bytes.Count) : random.Next(Math.Min(bytes.Count, 256));
        int length = Math.Min(1 + random.Next(random.Next(8) == 0 ? 400 : 8), bytes.Count - at);
        switch (random.Next(10))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes.RemoveRange(at, length);
                break;
            case 2:
                bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                break;
            case 3:
                bytes.InsertRange(at, Tokens[random.Next(Tokens.Length)]);
                break;
            case 4:
                bytes.RemoveRange(at, length);
                bytes.InsertRange(at, Tokens[random.Next(Tokens.Length)]);
                break;
            case 5:
                Number(bytes, at, ref random);
                break;
            case 6 when other.Length > 0:
                int from = random.Next(other.Length);
                bytes.InsertRange(at, other.AsSpan(from, Math.Min(1 + random.Next(200), other.Length - from)));
                break;
            case 7 when random.Next(8) == 0:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 8:
                bytes[at] = (byte)('0' + random.Next(10));
                break;
            default:
                bytes[at] = (byte)random.Next(256);
                break;
        }
    }

    private static void Number(List<byte> bytes, int at, ref CounterRandom random)
    {
        Span<byte> written = stackalloc byte[8];
        int width = 1 << random.Next(4);
        ulong value = Numbers[random.Next(Numbers.Length)] + (ulong)random.Next(3) - 1;
        BinaryPrimitives.WriteUInt64LittleEndian(written, value);
        for (int i = 0; i < width && at + i < bytes.Count; i++)
        {
            bytes[at + i] = written[i];
        }
    }
}

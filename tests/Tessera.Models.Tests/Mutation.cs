using Tessera.Devices;

namespace Tessera.Models.Tests;

/// <summary>Small random damage to a text of bytes: changed, lost, doubled and moved pieces, and tokens that hurt.</summary>
internal static class Mutation
{
    private static readonly byte[][] Tokens =
    [
        "null"u8.ToArray(), "-1"u8.ToArray(), "1e999"u8.ToArray(), "18446744073709551616"u8.ToArray(), "[]"u8.ToArray(),
        "{}"u8.ToArray(), "\"\""u8.ToArray(), "\\ud800"u8.ToArray(), "0.5"u8.ToArray(), "true"u8.ToArray(), [0xC3], [0x00],
        "2147483648"u8.ToArray(), "[[[[["u8.ToArray(), ","u8.ToArray(), "\""u8.ToArray(), "9"u8.ToArray(), " "u8.ToArray(),
    ];

    public static byte[] Apply(byte[] original, ref CounterRandom random)
    {
        var bytes = new List<byte>(original);
        for (int edits = 1 + random.Next(3); edits > 0; edits--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(1 + random.Next(8), bytes.Count - at);
            switch (random.Next(6))
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
                    bytes[at] = (byte)('0' + random.Next(10));
                    break;
                default:
                    bytes.RemoveRange(at, length);
                    bytes.InsertRange(at, Tokens[random.Next(Tokens.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }
}

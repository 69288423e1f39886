using System.Buffers.Binary;
using System.Text;
using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Damage that keeps the outer form of a file, so that it reaches the checks behind.</summary>
internal static class FormatMutators
{
    /// <summary>A safetensors file whose header is damaged and whose length in front is true again.</summary>
    public static byte[] SafetensorsHeader(byte[] original, byte[] other, ref CounterRandom random)
    {
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(original);
        byte[] header = random.Next(3) == 0
            ? ByteMutator.Apply(original[8..(8 + length)], other, ref random)
            : JsonMutator.Apply(original[8..(8 + length)], other, ref random);
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        return [.. prefix, .. header, .. original[(8 + length)..]];
    }

    /// <summary>A GGUF file with one byte or number of its metadata changed, most of which is the vocabulary in the middle.</summary>
    public static byte[] GgufHeader(byte[] original, byte[] other, ref CounterRandom random)
    {
        int header = Math.Min(original.Length, 1 << 14);
        int start = random.Next(2) == 0 ? 0 : random.Next(header), length = Math.Min(512, header - start);
        byte[] part = ByteMutator.Apply(original[start..(start + length)], other, ref random);
        return [.. original[..start], .. part, .. original[(start + length)..]];
    }

    /// <summary>A protobuf message whose fields are lost, doubled, moved or damaged within, with true lengths.</summary>
    public static byte[] Protobuf(byte[] original, byte[] other, ref CounterRandom random)
    {
        var fields = new List<(byte Tag, byte[] Value)>();
        for (int at = 0; at < original.Length;)
        {
            byte tag = original[at++];
            int length = 0, shift = 0;
            do
            {
                length |= (original[at] & 0x7F) << shift;
                shift += 7;
            }
            while (original[at++] >= 0x80);
            fields.Add((tag, original[at..(at + length)]));
            at += length;
        }

        for (int edits = 1 + random.Next(3); edits > 0 && fields.Count > 0; edits--)
        {
            // The settings stand behind the pieces.
            int at = random.Next(3) == 0 ? fields.Count - 1 - random.Next(Math.Min(2, fields.Count)) : random.Next(fields.Count);
            switch (random.Next(6))
            {
                case 0:
                    fields.RemoveAt(at);
                    break;
                case 1:
                    fields.Insert(random.Next(fields.Count), fields[at]);
                    break;
                case 2:
                    fields[at] = ((byte)(random.Next(256)), fields[at].Value);
                    break;
                default:
                    fields[at] = (fields[at].Tag, ByteMutator.Apply(fields[at].Value, other, ref random));
                    break;
            }
        }

        using var result = new MemoryStream();
        foreach ((byte tag, byte[] value) in fields)
        {
            result.WriteByte(tag);
            uint length = (uint)value.Length;
            for (; length >= 0x80; length >>= 7)
            {
                result.WriteByte((byte)(length | 0x80));
            }

            result.WriteByte((byte)length);
            result.Write(value);
        }

        return result.ToArray();
    }

    /// <summary>JSON lines of which one or two are damaged, lost or doubled.</summary>
    public static byte[] JsonLines(byte[] original, byte[] other, ref CounterRandom random)
    {
        var lines = Encoding.UTF8.GetString(original).Split('\n').ToList();
        for (int edits = 1 + random.Next(2); edits > 0; edits--)
        {
            int at = random.Next(lines.Count);
            switch (random.Next(6))
            {
                case 0:
                    lines.RemoveAt(at);
                    lines.Add(lines.Count == 0 ? "{}" : lines[^1]);
                    break;
                case 1:
                    lines.Insert(at, lines[random.Next(lines.Count)]);
                    break;
                default:
                    lines[at] = Encoding.UTF8.GetString(JsonMutator.Apply(Encoding.UTF8.GetBytes(lines[at]), other, ref random));
                    break;
            }
        }

        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }
}

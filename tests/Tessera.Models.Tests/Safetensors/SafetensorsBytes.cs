using System.Buffers.Binary;
using System.Text;

namespace Tessera.Models.Tests.Safetensors;

/// <summary>Builds files byte by byte, without the writer under test.</summary>
internal static class SafetensorsBytes
{
    public const string PublishedHeader = """{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""";

    public static byte[] File(byte[] header, int dataBytes, ulong? headerLength = null)
    {
        var file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, headerLength ?? (ulong)header.Length);
        header.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++)
        {
            file[8 + header.Length + i] = (byte)i;
        }

        return file;
    }

    public static byte[] File(string header, int dataBytes, ulong? headerLength = null) =>
        File(Encoding.UTF8.GetBytes(header), dataBytes, headerLength);

    public static string Entry(string name, string type, string shape, string offsets) =>
        $$"""
        "{{name}}":{"dtype":"{{type}}","shape":[{{shape}}],"data_offsets":[{{offsets}}]}
        """;
}

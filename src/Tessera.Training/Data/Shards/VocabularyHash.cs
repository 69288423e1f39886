using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Training.Data.Shards;

/// <summary>
/// SHA-256 of what ids mean: for every id its text as the vocabulary writes it, and whether it is a control token. Two tokenizers with
/// the same hash read the same ids as the same text, whatever file they come from.
/// </summary>
public static class VocabularyHash
{
    /// <summary>The hash, 64 hexadecimal digits.</summary>
    public static string Of(Tokenizer tokenizer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> lead = stackalloc byte[sizeof(int) + 1];
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            // An id without a text has length -1, which no text has.
            byte[]? text = tokenizer.TokenText(id) is { } known ? Encoding.UTF8.GetBytes(known) : null;
            BinaryPrimitives.WriteInt32LittleEndian(lead, text?.Length ?? -1);
            lead[sizeof(int)] = tokenizer.IsSpecial(id) ? (byte)1 : (byte)0;
            hash.AppendData(lead);
            hash.AppendData(text ?? []);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

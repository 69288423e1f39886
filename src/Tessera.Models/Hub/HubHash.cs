using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tessera.Models.Hub;

/// <summary>
/// Checks content against a hub's tag while it arrives: 64 hexadecimal digits are its SHA-256; 40 are SHA-1 of "blob SIZE", a zero
/// byte and the content, as git names it; other tags are not checked.
/// </summary>
[SuppressMessage("Security", "CA5350", Justification = "Git names small files by SHA-1; there is nothing stronger to compare with.")]
internal sealed class HubHash : IDisposable
{
    private readonly IncrementalHash? _hash;
    private readonly string _expected;

    public HubHash(HubFile file)
    {
        _expected = file.Hash;
        bool isHex = file.Hash.AsSpan().IndexOfAnyExcept("0123456789abcdef") < 0;
        if (isHex && file.Hash.Length == 2 * SHA256.HashSizeInBytes)
        {
            _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        }
        else if (isHex && file.Hash.Length == 2 * SHA1.HashSizeInBytes)
        {
            _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
            _hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {file.Bytes}\0")));
        }
    }

    /// <summary>Takes the next bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes) => _hash?.AppendData(bytes);

    /// <summary>Takes what a file holds already.</summary>
    public void AppendFile(string path)
    {
        if (_hash is null || !File.Exists(path))
        {
            return;
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 20, FileOptions.SequentialScan);
        byte[] buffer = new byte[1 << 20];
        for (int count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
        {
            _hash.AppendData(buffer, 0, count);
        }
    }

    /// <summary>The hash of all, where it is not the one expected; else null.</summary>
    public string? Mismatch() =>
        _hash is not null && Convert.ToHexStringLower(_hash.GetHashAndReset()) is var found && found != _expected ? found : null;

    /// <inheritdoc />
    public void Dispose() => _hash?.Dispose();
}

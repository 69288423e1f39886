using System.Globalization;
using System.Runtime.CompilerServices;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>What a call was about, put together only if it failed: copies and launches are asked for thousands of times a second.</summary>
[InterpolatedStringHandler]
internal ref struct FailureText
{
    private readonly bool _failed;
    private DefaultInterpolatedStringHandler _text;

    public FailureText(int literalLength, int formattedCount, CudaStatus status, out bool shouldAppend)
    {
        _failed = shouldAppend = status != CudaStatus.Success;
        _text = _failed ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string value) => _text.AppendLiteral(value);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public void AppendFormatted<T>(T value, string? format) => _text.AppendFormatted(value, format);

    /// <summary>The text; empty where the call did not fail.</summary>
    public string Take() => _failed ? _text.ToStringAndClear() : string.Empty;
}

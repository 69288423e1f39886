using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>Strings as C reads them, ended by a zero byte, with an array of pointers to them.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly byte** _pointers;

    public NativeStrings(IReadOnlyList<string> texts)
    {
        Count = texts.Count;
        _pointers = (byte**)NativeMemory.AllocZeroed((nuint)Math.Max(1, Count), (nuint)sizeof(byte*));
        for (int i = 0; i < Count; i++)
        {
            _pointers[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }
    }

    /// <summary>How many there are.</summary>
    public int Count { get; }

    /// <summary>Their addresses, one after the other.</summary>
    public byte** Pointers => _pointers;

    /// <summary>One of them.</summary>
    public byte* this[int index] => _pointers[index];

    /// <inheritdoc />
    public void Dispose()
    {
        for (int i = 0; i < Count; i++)
        {
            Marshal.FreeCoTaskMem((nint)_pointers[i]);
        }

        NativeMemory.Free(_pointers);
    }
}

using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Runs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// Hidden states of all batches at one depth, in a file: a header of 32 bytes (the text <c>TSTATES1</c>, element type, columns, rows),
/// then the batches' rows one behind the other, as the device stores them or rounded to bf16.
/// </summary>
internal sealed unsafe class StateFile : IDisposable
{
    private const int HeaderBytes = 32;
    private const int PortionBytes = 16 << 20;
    private readonly SafeFileHandle _file;
    private readonly CalibrationSteps _steps;
    private readonly long[] _starts;
    private readonly int _columns;
    private readonly DType _type;

    private StateFile(SafeFileHandle file, CalibrationSteps steps, int columns, DType type)
    {
        (_file, _steps, _columns, _type) = (file, steps, columns, type);
        _starts = new long[steps.Count];
        for (int i = 1; i < _starts.Length; i++)
        {
            _starts[i] = _starts[i - 1] + steps.Steps[i - 1].Tokens;
        }
    }

    /// <summary>Bytes of a file of these states.</summary>
    public static long BytesOf(CalibrationSteps steps, int columns, DType type) => HeaderBytes + (steps.Tokens * columns * type.Bytes());

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDataException">It does not hold states of these batches.</exception>
    public static StateFile Open(string path, CalibrationSteps steps, int columns, DType type)
    {
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.RandomAccess);
        try
        {
            Span<byte> found = stackalloc byte[HeaderBytes];
            if (RandomAccess.GetLength(file) != BytesOf(steps, columns, type) || RandomAccess.Read(file, found, 0) != HeaderBytes
                || !found.SequenceEqual(Header(steps, columns, type)))
            {
                throw new InvalidDataException($"{path}: does not hold {steps.Tokens} states of {columns} columns in {type.Label()}");
            }

            return new StateFile(file, steps, columns, type);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes a file batch by batch; it appears as a whole or not at all. It is held against its hash before it is used and can be made
    /// again, so nobody waits until gigabytes are on the disk.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="columns">Columns of every state.</param>
    /// <param name="type">How the file stores them: as the device does, or bf16 where that has f32.</param>
    /// <param name="device">Where they are computed; rounds them.</param>
    /// <param name="fill">Calls its argument once for every batch, in order, with the batch's states.</param>
    /// <exception cref="IOException">The disk is full; one sentence.</exception>
    public static void Write(string path, CalibrationSteps steps, int columns, DType type, Device device, Action<Action<Tensor, DeviceMemory>> fill) =>
        AtomicFile.Write(path, stream =>
        {
            using var rounded = device.CreateArena("rounded states");
            stream.Write(Header(steps, columns, type));
            fill((states, memory) =>
            {
                if (states.Type != type)
                {
                    rounded.Reset();
                    states = Rounded(device, rounded, states);
                }

                for (long done = 0; done < states.Bytes; done += PortionBytes)
                {
                    int bytes = (int)Math.Min(PortionBytes, states.Bytes - done);
                    memory.Read(states.Address + (nint)done, bytes, room => stream.Write(new ReadOnlySpan<byte>((void*)room, bytes)));
                }
            });
        },
        isDurable: false);

    /// <summary>The states of one batch, [tokens, columns], in an arena, as a device stores them.</summary>
    public Tensor Read(Device device, Arena arena, int batch)
    {
        int rows = _steps.Steps[batch].Tokens;
        long length = (long)rows * _columns * _type.Bytes(), start = HeaderBytes + (_starts[batch] * _columns * _type.Bytes());
        var states = new Tensor(arena.Allocate(length), rows, _columns, _type);
        int portion = (int)Math.Min(PortionBytes, arena.Memory.DirectBytes);
        for (long done = 0; done < length; done += portion)
        {
            int bytes = (int)Math.Min(portion, length - done);
            long offset = start + done;
            arena.Memory.Write(states.Address + (nint)done, bytes, room => Fill(new Span<byte>((void*)room, bytes), offset));
        }

        return _type == device.ActivationType ? states : Widened(device, arena, states);
    }

    private static Tensor Rounded(Device device, Arena arena, Tensor states)
    {
        var rounded = new Tensor(arena.Allocate(states.Count * DType.BF16.Bytes()), states.Rows, states.Columns, DType.BF16);
        Conversion.ToBf16(device, (float*)states.Address, (ushort*)rounded.Address, states.Count);
        return rounded;
    }

    private static Tensor Widened(Device device, Arena arena, Tensor stored)
    {
        var states = new Tensor(arena.Allocate(stored.Count * DType.F32.Bytes()), stored.Rows, stored.Columns, DType.F32);
        Conversion.FromBf16(device, (ushort*)stored.Address, (float*)states.Address, stored.Count);
        return states;
    }

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();

    private void Fill(Span<byte> room, long offset)
    {
        while (room.Length > 0)
        {
            int read = RandomAccess.Read(_file, room, offset);
            if (read == 0)
            {
                throw new EndOfStreamException("a file of hidden states became shorter while it was read");
            }

            room = room[read..];
            offset += read;
        }
    }

    private static byte[] Header(CalibrationSteps steps, int columns, DType type)
    {
        var header = new byte[HeaderBytes];
        "TSTATES1"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), type.Bytes());
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), columns);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), steps.Tokens);
        return header;
    }
}

using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Library;

/// <summary>Copies of halves whose matrices are f32, as an optimiser needs them.</summary>
internal static unsafe class MasterWeights
{
    /// <summary>Copies every number exactly; where the half is bf16 it is widened on the device.</summary>
    /// <param name="device">Where both halves lie.</param>
    /// <param name="from">A half in f32 or bf16.</param>
    /// <param name="to">Of the same shape, its matrices in f32.</param>
    public static void Fill(Device device, SubBlock from, SubBlock to)
    {
        foreach (var (source, target) in from.Parameters.Zip(to.Parameters))
        {
            if (source.Type == target.Type)
            {
                device.Copy(source.Address, target.Address, source.Bytes);
            }
            else
            {
                Conversion.FromBf16(device, (ushort*)source.Address, target.Floats, source.Count);
            }

            target.MarkChanged();
        }
    }
}
